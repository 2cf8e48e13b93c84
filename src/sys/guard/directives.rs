//! Directives of the assembler, which every format of object files has its own of.

/// Begins the section of the loops.
#[cfg(not(any(windows, target_vendor = "apple")))]
macro_rules! loops {
    () => {
        ".pushsection .text.mycp_guarded_copy, \"ax\", @progbits"
    };
}
#[cfg(windows)]
macro_rules! loops {
    () => {
        ".pushsection .text$mycp_guarded_copy, \"xr\""
    };
}
#[cfg(target_vendor = "apple")]
macro_rules! loops {
    () => {
        ".pushsection __TEXT,__text,regular,pure_instructions"
    };
}

/// A label that Rust sees, and other libraries do not. On macOS it belongs to what is before it
/// (`.alt_entry`), so that the linker moves all of the loops or nothing.
#[cfg(not(any(windows, target_vendor = "apple")))]
macro_rules! place {
    ($name:literal) => {
        concat!(".globl ", $name, "\n.hidden ", $name, "\n", $name, ":")
    };
}
#[cfg(windows)]
macro_rules! place {
    ($name:literal) => {
        concat!(".globl ", $name, "\n", $name, ":")
    };
}
#[cfg(target_vendor = "apple")]
macro_rules! place {
    ($name:literal) => {
        concat!(
            ".globl _",
            $name,
            "\n.private_extern _",
            $name,
            "\n.alt_entry _",
            $name,
            "\n_",
            $name,
            ":"
        )
    };
}

/// The begin of the first function, which has no frame. On Windows such a function needs no entry
/// in the tables for unwinding; on macOS it can have none, since there are labels in it.
#[cfg(not(any(windows, target_vendor = "apple")))]
macro_rules! function {
    ($name:literal) => {
        concat!(".p2align 4\n.type ", $name, ", @function\n", place!($name), "\n.cfi_startproc")
    };
}
#[cfg(windows)]
macro_rules! function {
    ($name:literal) => {
        concat!(".p2align 4\n", place!($name))
    };
}
#[cfg(target_vendor = "apple")]
macro_rules! function {
    ($name:literal) => {
        concat!(".p2align 4\n.globl _", $name, "\n.private_extern _", $name, "\n_", $name, ":")
    };
}

/// The begin of one that follows another.
#[cfg(not(target_vendor = "apple"))]
macro_rules! next_function {
    ($name:literal) => {
        function!($name)
    };
}
#[cfg(target_vendor = "apple")]
macro_rules! next_function {
    ($name:literal) => {
        concat!(".p2align 4\n", place!($name))
    };
}

/// The end of a function.
#[cfg(not(any(windows, target_vendor = "apple")))]
macro_rules! end {
    ($name:literal) => {
        concat!(".cfi_endproc\n.size ", $name, ", . - ", $name)
    };
}
#[cfg(any(windows, target_vendor = "apple"))]
macro_rules! end {
    ($name:literal) => {
        ""
    };
}

pub(super) use {end, function, loops, next_function, place};
