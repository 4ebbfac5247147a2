//! An instruction set as a value, so that a test can loop over those of this machine and run tasks of any type on each.
#![allow(dead_code)]

use kiln_kernels::simd::{Simd, Task};

macro_rules! any_isa {
    ($($(#[$cfg:meta])* $name:ident($token:path, $make:expr),)*) => {
        /// An instruction set this machine has.
        #[derive(Clone, Copy)]
        pub enum AnyIsa {
            $($(#[$cfg])* $name($token),)*
        }

        impl AnyIsa {
            /// Runs `task`.
            pub fn enter<T: Task>(self, task: T) -> T::Out {
                match self {
                    $($(#[$cfg])* Self::$name(s) => s.enter(task),)*
                }
            }

            /// What reports call it.
            pub fn name(self) -> &'static str {
                fn of<S: Simd>(_: S) -> &'static str {
                    S::NAME
                }
                match self {
                    $($(#[$cfg])* Self::$name(s) => of(s),)*
                }
            }
        }

        /// All there are.
        pub fn isas() -> impl Iterator<Item = AnyIsa> {
            [$($(#[$cfg])* $make.map(AnyIsa::$name),)*].into_iter().flatten()
        }
    };
}

any_isa! {
    Scalar(kiln_kernels::simd_scalar::Scalar, Some(kiln_kernels::simd_scalar::Scalar::new())),
    #[cfg(target_arch = "x86_64")]
    Avx2(kiln_kernels::simd_avx2::Avx2, kiln_kernels::simd_avx2::Avx2::detect()),
    #[cfg(target_arch = "x86_64")]
    Avx512(kiln_kernels::simd_avx512::Avx512, kiln_kernels::simd_avx512::Avx512::detect()),
    #[cfg(all(target_arch = "aarch64", target_feature = "neon"))]
    Neon(kiln_kernels::simd_neon::Neon, Some(kiln_kernels::simd_neon::Neon::new())),
    #[cfg(all(target_family = "wasm", target_feature = "simd128"))]
    Wasm128(kiln_kernels::simd_wasm::Wasm128, Some(kiln_kernels::simd_wasm::Wasm128::new())),
}
