//! From power-on to `classify`: the vector table, the memory's first contents, panics.

use crate::semihosting::{self, Console};
use core::arch::global_asm;
use core::fmt::Write;
use core::panic::PanicInfo;

// In assembly, because Rust code may not run before its variables have their values. The floating-
// point unit is switched on for builds that use it (eabihf); for soft-float ones it does no harm.
global_asm!(
    ".section .vectors, \"a\"",
    ".word __stack_top",
    ".word reset",
    // The system exceptions: all end the program.
    ".rept 14",
    ".word fault",
    ".endr",
    ".section .text.reset, \"ax\"",
    ".global reset",
    ".type reset, %function",
    ".thumb_func",
    "reset:",
    "ldr r0, =0xe000ed88", // coprocessor access control: full access to 10 and 11
    "ldr r1, [r0]",
    "orr r1, r1, #0xf00000",
    "str r1, [r0]",
    "dsb",
    "isb",
    "ldr r0, =__bss_start",
    "ldr r1, =__bss_end",
    "movs r2, #0",
    "1: cmp r0, r1",
    "bhs 2f",
    "str r2, [r0], #4",
    "b 1b",
    "2: ldr r0, =__data_start",
    "ldr r1, =__data_end",
    "ldr r2, =__data_load",
    "3: cmp r0, r1",
    "bhs 4f",
    "ldr r3, [r2], #4",
    "str r3, [r0], #4",
    "b 3b",
    "4: bl start",
    ".ltorg",
    ".text",
);

/// Where `reset` ends up.
#[unsafe(no_mangle)]
extern "C" fn start() -> ! {
    let done = crate::classify(&mut Console);
    semihosting::exit(done.is_ok())
}

/// Any exception: there is none this program should meet.
#[unsafe(no_mangle)]
extern "C" fn fault() -> ! {
    // Printing cannot fail: the console never does.
    let _ = Console.write_str("processor exception\n");
    semihosting::exit(false)
}

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    let _ = writeln!(Console, "{info}");
    semihosting::exit(false)
}
