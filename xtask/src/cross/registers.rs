//! Whether the loops of products in an AArch64 program keep their sums in registers.
//!
//! Nothing here can be timed on such a processor, but a compiler that runs out of registers writes sums to the stack and reads them
//! back, which costs a loop up to half of its speed, and that can be read off the program.

use anyhow::{Context, Result, ensure};
use object::{Object, ObjectSection};
use std::path::Path;

/// Multiply-adds from which on a loop counts: those of tiles have four for each of their sums.
const LEAST_PRODUCTS: usize = 64;

/// Instructions of the longest loop of a tile, and some more.
const MOST_INSTRUCTIONS: usize = 400;

/// Looks at a program's loops of products; what there is to say of them, if none has a sum on the stack.
pub fn check(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let file = object::File::parse(&*bytes).with_context(|| format!("{}", path.display()))?;
    let text = file.section_by_name(".text").context("the program has no code")?.data()?;
    let code: Vec<u32> = text.as_chunks().0.iter().map(|&word| u32::from_le_bytes(word)).collect();
    let loops = loops(&code);
    ensure!(!loops.is_empty(), "no loop of {LEAST_PRODUCTS} products or more: has the form of the kernels changed?");
    for range in &loops {
        let body = &code[range.0..=range.1];
        let spills = body.iter().filter(|&&word| moves_by_stack(word)).count();
        let products = products(body);
        ensure!(
            spills == 0,
            "a loop of {products} products, at {:#x} of .text, has {spills} on the stack",
            4 * range.0
        );
    }
    let densest = loops.iter().map(|&(from, to)| (to + 1 - from) as f64 / products(&code[from..=to]) as f64);
    let densest = densest.fold(f64::INFINITY, f64::min);
    Ok(format!("{} loops of products, {densest:.2} instructions for each at best, no sum on the stack", loops.len()))
}

/// The first and last instructions of the innermost loops with so many products.
fn loops(code: &[u32]) -> Vec<(usize, usize)> {
    let mut all: Vec<(usize, usize)> = (0..code.len())
        .filter_map(|at| {
            let back = usize::try_from(-branch(code[at])?).ok()?;
            let from = at.checked_sub(back)?;
            (back < MOST_INSTRUCTIONS && products(&code[from..=at]) >= LEAST_PRODUCTS).then_some((from, at))
        })
        .collect();
    all.sort_by_key(|(from, to)| to - from);
    let mut innermost: Vec<(usize, usize)> = Vec::new();
    for (from, to) in all {
        // What shares instructions with a shorter one goes around it, or is another way through it.
        if !innermost.iter().any(|inner| inner.0 <= to && from <= inner.1) {
            innermost.push((from, to));
        }
    }
    innermost
}

/// The vector multiply-adds of some code.
fn products(code: &[u32]) -> usize {
    let by_vector = |word: u32| word & 0xbfa0_fc00 == 0x0e20_cc00;
    let by_lane = |word: u32| word & 0xbf80_f400 == 0x0f80_1000;
    code.iter().filter(|&&word| by_vector(word) || by_lane(word)).count()
}

/// How many instructions further a branch goes, if this is one.
fn branch(word: u32) -> Option<isize> {
    // The field of `bits` from bit `from` on, with its sign.
    let field = |from: u32, bits: u32| ((word << (32 - from - bits)) as i32 >> (32 - bits)) as isize;
    let conditional = word & 0xff00_0010 == 0x5400_0000;
    let by_zero = word & 0x7e00_0000 == 0x3400_0000;
    let by_bit = word & 0x7e00_0000 == 0x3600_0000;
    let always = word & 0xfc00_0000 == 0x1400_0000;
    match () {
        () if conditional || by_zero => Some(field(5, 19)),
        () if by_bit => Some(field(5, 14)),
        () if always => Some(field(0, 26)),
        () => None,
    }
}

/// Whether a vector register, or a pair of them, is loaded from the stack or stored there.
fn moves_by_stack(word: u32) -> bool {
    let one = word & 0x3b00_0000 == 0x3900_0000 || word & 0x3b20_0c00 == 0x3800_0000;
    let pair = word & 0x3a00_0000 == 0x2800_0000;
    let vector = word & 1 << 26 != 0;
    let base = word >> 5 & 31;
    vector && (one || pair) && base == 31
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As GNU as writes them.
    const FMLA_LANE: u32 = 0x4f8a_101c; // fmla v28.4s, v0.4s, v10.s[0]
    const FMLA: u32 = 0x4e20_cd48; // fmla v8.4s, v10.4s, v0.4s
    const ADD: u32 = 0x9104_0021; // add x1, x1, #0x100

    #[test]
    fn instructions_are_told_apart() {
        assert_eq!(products(&[FMLA_LANE, FMLA, ADD]), 2);
        assert_eq!(branch(0x54ff_ffe1), Some(-1)); // b.ne .-4
        assert_eq!(branch(0xb5ff_ff87), Some(-4)); // cbnz x7, .-16
        assert_eq!(branch(0x3700_006d), Some(3)); // tbnz w13, #0, .+12
        assert_eq!(branch(0x17ff_fffe), Some(-2)); // b .-8
        assert_eq!(branch(ADD), None);
        assert!(moves_by_stack(0x3d80_37e9)); // str q9, [sp, #208]
        assert!(moves_by_stack(0xad47_27f2)); // ldp q18, q9, [sp, #224]
        assert!(!moves_by_stack(0xad40_0420)); // ldp q0, q1, [x1]
        assert!(!moves_by_stack(0xf940_6be8)); // ldr x8, [sp, #208]
    }

    #[test]
    fn the_innermost_loop_is_found() {
        let mut code = vec![ADD];
        code.extend([FMLA; LEAST_PRODUCTS]);
        code.push(0x5400_0001 | (-(LEAST_PRODUCTS as i32) as u32 & 0x7ffff) << 5);
        code.push(0x5400_0001 | (-(LEAST_PRODUCTS as i32 + 2) as u32 & 0x7ffff) << 5);
        assert_eq!(loops(&code), [(1, LEAST_PRODUCTS + 1)]);
    }
}
