//! Bodies written out, for what a loop left standing would cost: sums would live in memory, and whether it stands is up to the
//! optimization level.

/// Repeats `body` for `i` from 0 to below `n`, at most 17.
macro_rules! repeat {
    ($i:ident in $n:expr, $body:expr) => {
        repeat!($i in $n, $body, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16)
    };
    ($i:ident in $n:expr, $body:expr, $($at:literal)*) => {{
        $(if $at < $n {
            let $i = $at;
            $body
        })*
    }};
}

pub(super) use repeat;
