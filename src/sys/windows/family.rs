//! Which family this is.

use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleW, GetProcAddress};
use windows_sys::core::{s, w};

use crate::sys::family::Family;

/// That of the running system: Wine's `ntdll` has a function that no other has.
pub(crate) fn running() -> Family {
    // SAFETY: it takes a name that ends in a zero. What it returns is never unloaded.
    let library = unsafe { GetModuleHandleW(w!("ntdll.dll")) };
    if library.is_null() {
        return Family::Windows;
    }
    // SAFETY: it takes a library that is loaded, and a name that ends in a zero.
    match unsafe { GetProcAddress(library, s!("wine_get_version")) } {
        Some(_) => Family::Wine,
        None => Family::Windows,
    }
}

/// Its name and release, and whether Wine makes it.
pub(crate) fn release() -> Option<String> {
    let kernel = super::platform::kernel();
    Some(match running() {
        Family::Wine => format!("{kernel}, made by Wine"),
        _ => kernel,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_has_a_number_and_tells_of_wine() {
        let release = release().unwrap();
        assert!(release.starts_with("Windows ") && release.contains('.'), "{release}");
        assert_eq!(release.ends_with(", made by Wine"), running() == Family::Wine, "{release}");
    }
}
