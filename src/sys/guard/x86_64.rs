//! The guarded copy and comparison on x86-64.

use super::directives::{end, function, loops, next_function, place};
use super::{RawFault, Way};

pub(super) const SUPPORTED: bool = true;

// `rep movsb` goes on where it stopped, and its registers tell how far it came, to the byte.
// Copies of 2 MiB between warm buffers took as long as with glibc's memcpy and with loops of
// SSE2 or AVX (141 us in the cache, 300 us out of it; Xeon with FSRM). It is slower below
// some hundred bytes (16 ns against 4 for 512), where mapping costs more than that anyway.
std::arch::global_asm!(
    loops!(),
    function!("mycp_guarded_copy"),
    "mov r8, rcx",
    "mov rcx, rdx",
    place!("mycp_guarded_first"),
    "rep movsb",
    "xor eax, eax",
    "ret",
    end!("mycp_guarded_copy"),
    // 64 bytes a step, and a byte a step for the place of a difference and for the rest. A
    // difference that is gone when its place is looked for leads back to the large steps.
    next_function!("mycp_guarded_compare"),
    "mov r8, rcx",
    "mov rcx, rdx",
    "2: cmp rcx, 64",
    "jb 3f",
    "movdqu xmm0, [rdi]",
    "movdqu xmm1, [rdi + 16]",
    "movdqu xmm2, [rdi + 32]",
    "movdqu xmm3, [rdi + 48]",
    "movdqu xmm4, [rsi]",
    "movdqu xmm5, [rsi + 16]",
    "movdqu xmm6, [rsi + 32]",
    "movdqu xmm7, [rsi + 48]",
    "pcmpeqb xmm0, xmm4",
    "pcmpeqb xmm1, xmm5",
    "pcmpeqb xmm2, xmm6",
    "pcmpeqb xmm3, xmm7",
    "pand xmm0, xmm1",
    "pand xmm2, xmm3",
    "pand xmm0, xmm2",
    "pmovmskb eax, xmm0",
    "cmp eax, 0xffff",
    "jne 3f",
    "add rdi, 64",
    "add rsi, 64",
    "sub rcx, 64",
    "jmp 2b",
    "3: mov r11d, 64",
    "4: test rcx, rcx",
    "jz 6f",
    "movzx eax, byte ptr [rdi]",
    "cmp al, byte ptr [rsi]",
    "jne 5f",
    "inc rdi",
    "inc rsi",
    "dec rcx",
    "dec r11d",
    "jnz 4b",
    "jmp 2b",
    "5: mov [r8], rcx",
    "mov eax, 2",
    "ret",
    "6: xor eax, eax",
    "ret",
    place!("mycp_guarded_end"),
    place!("mycp_guarded_stopped"),
    "mov [r8], rcx",
    "mov [r8 + 8], r9",
    "mov [r8 + 16], r10",
    "mov eax, 1",
    "ret",
    end!("mycp_guarded_compare"),
    ".popsection",
);

unsafe extern "sysv64" {
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
    #[link_name = "mycp_guarded_end"]
    static END: u8;
    #[link_name = "mycp_guarded_stopped"]
    static STOPPED: u8;
}

/// Where a thread that is at this address goes on after a fault; `None` outside of the loops.
pub(in crate::sys) fn way_from(program_counter: u64) -> Option<Way> {
    let loops = &raw const FIRST as u64..&raw const END as u64;
    loops.contains(&program_counter).then_some(Way::Out(&raw const STOPPED as u64))
}
