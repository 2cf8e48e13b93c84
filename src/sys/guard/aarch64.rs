//! The guarded copy and comparison on 64-bit ARM.

use super::directives::{end, function, loops, next_function, place};
use super::{RawFault, Way};

pub(super) const SUPPORTED: bool = true;

// 64 bytes a step, and a byte a step for the rest. A step that faults has moved no pointer, so
// the handler sends the thread from the first loop to the second, which comes to the byte.
std::arch::global_asm!(
    loops!(),
    function!("mycp_guarded_copy"),
    place!("mycp_guarded_first"),
    "2: cmp x2, #64",
    "b.lo 4f",
    "ldp q0, q1, [x1]",
    "ldp q2, q3, [x1, #32]",
    "stp q0, q1, [x0]",
    "stp q2, q3, [x0, #32]",
    "add x1, x1, #64",
    "add x0, x0, #64",
    "sub x2, x2, #64",
    "b 2b",
    place!("mycp_guarded_bytes"),
    "4: cbz x2, 3f",
    "ldrb w4, [x1]",
    "strb w4, [x0]",
    "add x1, x1, #1",
    "add x0, x0, #1",
    "sub x2, x2, #1",
    "b 4b",
    "3: mov x0, #0",
    "ret",
    end!("mycp_guarded_copy"),
    // 64 bytes a step, and a byte a step for the place of a difference and for the rest. A
    // difference that is gone when its place is looked for leads back to the large steps.
    next_function!("mycp_guarded_compare"),
    "2: cmp x2, #64",
    "b.lo 3f",
    "ldp q0, q1, [x0]",
    "ldp q2, q3, [x0, #32]",
    "ldp q4, q5, [x1]",
    "ldp q6, q7, [x1, #32]",
    "cmeq v0.16b, v0.16b, v4.16b",
    "cmeq v1.16b, v1.16b, v5.16b",
    "cmeq v2.16b, v2.16b, v6.16b",
    "cmeq v3.16b, v3.16b, v7.16b",
    "and v0.16b, v0.16b, v1.16b",
    "and v2.16b, v2.16b, v3.16b",
    "and v0.16b, v0.16b, v2.16b",
    "uminv b0, v0.16b",
    "umov w4, v0.b[0]",
    "cbz w4, 3f",
    "add x0, x0, #64",
    "add x1, x1, #64",
    "sub x2, x2, #64",
    "b 2b",
    "3: mov x11, #64",
    "4: cbz x2, 6f",
    "ldrb w4, [x0]",
    "ldrb w5, [x1]",
    "cmp w4, w5",
    "b.ne 5f",
    "add x0, x0, #1",
    "add x1, x1, #1",
    "sub x2, x2, #1",
    "subs x11, x11, #1",
    "b.ne 4b",
    "b 2b",
    "5: str x2, [x3]",
    "mov x0, #2",
    "ret",
    "6: mov x0, #0",
    "ret",
    place!("mycp_guarded_end"),
    place!("mycp_guarded_stopped"),
    "str x2, [x3]",
    "str x9, [x3, #8]",
    "str x10, [x3, #16]",
    "mov x0, #1",
    "ret",
    end!("mycp_guarded_compare"),
    ".popsection",
);

unsafe extern "C" {
    #[link_name = "mycp_guarded_copy"]
    pub(super) fn copy(
        target: *mut u8,
        source: *const u8,
        len: usize,
        fault: *mut RawFault,
    ) -> usize;
    #[link_name = "mycp_guarded_compare"]
    pub(super) fn compare(
        left: *const u8,
        right: *const u8,
        len: usize,
        fault: *mut RawFault,
    ) -> usize;
    #[link_name = "mycp_guarded_first"]
    static FIRST: u8;
    #[link_name = "mycp_guarded_bytes"]
    static BYTES: u8;
    #[link_name = "mycp_guarded_end"]
    static END: u8;
    #[link_name = "mycp_guarded_stopped"]
    static STOPPED: u8;
}

/// Where a thread that is at this address goes on after a fault; `None` outside of the loops.
pub(in crate::sys) fn way_from(program_counter: u64) -> Option<Way> {
    let (first, bytes) = (&raw const FIRST as u64, &raw const BYTES as u64);
    if (first..bytes).contains(&program_counter) {
        Some(Way::Closer(bytes))
    } else if (bytes..&raw const END as u64).contains(&program_counter) {
        Some(Way::Out(&raw const STOPPED as u64))
    } else {
        None
    }
}
