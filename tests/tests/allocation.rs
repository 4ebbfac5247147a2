//! A generated `run` takes no memory from the heap: never where sizes are fixed, and not at sizes it has met where they are free. Models
//! that make strings are left out: they need a heap, and say so.

use kiln_tests::case::Case;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: everything is left to the system's allocator; counting touches no memory that it hands out.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if kiln_tests::running() {
            COUNT.set(COUNT.get() + 1);
        }
        // SAFETY: the caller keeps the contract of `alloc`, which is the system's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: `ptr` came from `alloc` above, so from the system, with this layout.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Runs every case that `wanted` picks, each of its runs `times` times, and counts allocations in the last time.
fn count(wanted: impl Fn(&kiln_tests::Generated) -> bool, times: usize) -> (usize, Vec<String>) {
    let (mut ran, mut guilty) = (0, Vec::new());
    let generated = kiln_tests::generated().iter().filter(|generated| generated.runs_here() && generated.new.is_ok());
    let has_texts = |source: &str| std::fs::read_to_string(source).unwrap().contains("static TEXTS");
    let generated = generated.filter(|generated| !has_texts(generated.source));
    for generated in generated.filter(|generated| wanted(generated)) {
        let case = Case::read(generated.case);
        let mut model = generated.model();
        for run in &case.runs {
            let inputs = generated.arguments(run);
            for _ in 0..times {
                COUNT.set(0);
                model.infer(&inputs).unwrap();
            }
            ran += 1;
            if COUNT.get() > 0 {
                guilty.push(format!("{} on {}: {} allocations", generated.case, generated.isa, COUNT.get()));
            }
        }
    }
    (ran, guilty)
}

#[test]
fn fixed_sizes_never_allocate() {
    let (ran, guilty) = count(|generated| !generated.dynamic, 1);
    println!("{ran} runs");
    assert!(guilty.is_empty(), "\n{}", guilty.join("\n"));
    assert!(ran > 0 || option_env!("CASE").is_some());
}

#[test]
fn free_sizes_allocate_for_a_new_size_only() {
    let (ran, guilty) = count(|generated| generated.dynamic, 2);
    println!("{ran} runs");
    assert!(guilty.is_empty(), "\n{}", guilty.join("\n"));
    assert!(ran > 0 || option_env!("CASE").is_some());
}

#[test]
fn the_count_counts() {
    COUNT.set(0);
    drop(std::hint::black_box(vec![1u8]));
    assert_eq!(COUNT.get(), 0, "outside of a run nothing counts");
    kiln_tests::watched(|| drop(std::hint::black_box(vec![1u8])));
    assert_eq!(COUNT.get(), 1, "inside everything does");
}
