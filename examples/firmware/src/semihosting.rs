//! Output and the exit code, by way of the debugger: a breakpoint with a request number in `r0`.

use core::arch::asm;
use core::fmt;

const WRITE0: usize = 0x04;
const EXIT: usize = 0x18;
const STOPPED_BY_APPLICATION: usize = 0x2_0026;
const STOPPED_BY_ERROR: usize = 0x2_0023;

/// The debugger's console.
pub struct Console;

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // The request wants a zero at the end of the text.
        let mut buffer = [0; 64];
        for piece in text.as_bytes().chunks(buffer.len() - 1) {
            buffer[..piece.len()].copy_from_slice(piece);
            buffer[piece.len()] = 0;
            request(WRITE0, buffer.as_ptr() as usize);
        }
        Ok(())
    }
}

/// Ends the program, and the emulator with it.
pub fn exit(success: bool) -> ! {
    request(EXIT, if success { STOPPED_BY_APPLICATION } else { STOPPED_BY_ERROR });
    loop {
        core::hint::spin_loop();
    }
}

fn request(number: usize, argument: usize) {
    // SAFETY: the callers pass what their request wants: for WRITE0 the address of bytes that end
    // with a zero, for EXIT a reason. The debugger changes nothing but `r0`.
    unsafe { asm!("bkpt 0xab", inlateout("r0") number => _, in("r1") argument, options(nostack)) };
}
