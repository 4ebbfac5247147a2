//! Large weights, brought into the program by the assembler: rustc would carry hundreds of megabytes through every stage of
//! a build where the assembler copies a file.
//!
//! Elsewhere than on the systems named below the same declaration is an ordinary `static`.

/// `NAME: len bytes, "symbol", path` declares the aligned static `NAME`, the bytes of the file at the absolute path, for the module
/// around.
///
/// The symbol must tell the file's content: where two models bring the same, the assembler or the linker keeps one, and only a declaration with
/// another symbol makes rustc look at the file again. `include_bytes!` would have it looked at whenever it changes, but rustc then
/// reads, holds and stores all of it beside what the assembler does.
#[allow(unused_macros, reason = "used by generated code")]
macro_rules! weights_file {
    ($name:ident: $len:literal bytes, $symbol:literal, $($path:tt)*) => {
        #[cfg(all(any(target_os = "linux", target_os = "android", target_os = "freebsd"), not(miri)))]
        ::core::arch::global_asm!(
            // Another model of the crate may have brought the same into what is assembled at once.
            concat!(".ifndef ", $symbol),
            ".pushsection .rodata.kiln,\"a\",%progbits",
            ".balign 64",
            concat!(".weak ", $symbol),
            concat!(".hidden ", $symbol),
            concat!($symbol, ":"),
            concat!(".L", $symbol, ".begin:"),
            concat!(".incbin \"", $($path)*, "\""),
            concat!(".L", $symbol, ".end:"),
            // `.org` only goes forward: the first fails if the file is longer than it should be, the second if it is shorter.
            concat!(".org .L", $symbol, ".begin + ", $len),
            concat!(".org .L", $symbol, ".end"),
            ".popsection",
            ".endif",
            options(raw)
        );
        // SAFETY: at this symbol the assembler has put the bytes of the file, as many as the type has, which it was made to
        // check, at its alignment, in a section that nobody writes.
        #[cfg(all(any(target_os = "linux", target_os = "android", target_os = "freebsd"), not(miri)))]
        unsafe extern "C" {
            #[link_name = $symbol]
            pub(super) safe static $name: kernels::arena::Aligned<[u8; $len]>;
        }

        #[cfg(not(all(any(target_os = "linux", target_os = "android", target_os = "freebsd"), not(miri))))]
        pub(super) static $name: kernels::arena::Aligned<[u8; $len]> =
            kernels::arena::Aligned(*include_bytes!($($path)*));
    };
}

#[allow(unused_imports, reason = "used by generated code")]
pub(crate) use weights_file;
