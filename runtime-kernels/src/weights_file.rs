//! Large weights, brought into the program by the assembler: rustc would carry hundreds of megabytes through every stage of
//! a build where the assembler copies a file.
//!
//! Elsewhere than on the systems named below the same declaration is an ordinary `static`.

/// `NAME: len bytes, "symbol", path` declares the aligned static `NAME`, the bytes of the file at the absolute path.
///
/// The symbol must tell the file's content: where two models bring the same, the linker keeps one.
#[allow(unused_macros, reason = "used by generated code")]
macro_rules! weights_file {
    ($name:ident: $len:literal bytes, $symbol:literal, $($path:tt)*) => {
        // Also makes cargo look at the file when it decides what to build.
        const _: () = assert!(include_bytes!($($path)*).len() == $len, "the file of weights has another length");

        #[cfg(all(any(target_os = "linux", target_os = "android", target_os = "freebsd"), not(miri)))]
        ::core::arch::global_asm!(
            ".pushsection .rodata.kiln,\"a\",%progbits",
            ".balign 64",
            concat!(".weak ", $symbol),
            concat!(".hidden ", $symbol),
            concat!($symbol, ":"),
            concat!(".incbin \"", $($path)*, "\""),
            ".popsection",
            options(raw)
        );
        // SAFETY: at this symbol the assembler has put the bytes of the file, as many as the type has, which was just asserted,
        // at its alignment, in a section that nobody writes.
        #[cfg(all(any(target_os = "linux", target_os = "android", target_os = "freebsd"), not(miri)))]
        unsafe extern "C" {
            #[link_name = $symbol]
            safe static $name: kernels::arena::Aligned<[u8; $len]>;
        }

        #[cfg(not(all(any(target_os = "linux", target_os = "android", target_os = "freebsd"), not(miri))))]
        static $name: kernels::arena::Aligned<[u8; $len]> = kernels::arena::Aligned(*include_bytes!($($path)*));
    };
}

#[allow(unused_imports, reason = "used by generated code")]
pub(crate) use weights_file;
