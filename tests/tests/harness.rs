//! The harness itself: what is wrong is seen, and where.

use kiln_tests::array::Array;
use kiln_tests::compare::{Tolerance, compare};
use kiln_tests::right;

fn floats(values: &[f32]) -> Array {
    Array::of(values, &[values.len()])
}

#[test]
fn a_wrong_element_is_found_and_named() {
    let message = right(&floats(&[1.0, 2.0, 3.1]), &floats(&[1.0, 2.0, 3.0]), Tolerance::default()).unwrap_err();
    assert!(message.contains("1 outside the tolerance, first at 2: 3.0999"), "{message}");
    right(&floats(&[1.00001]), &floats(&[1.0]), Tolerance::default()).unwrap();
}

#[test]
fn a_nan_never_passes_for_a_number_nor_one_infinity_for_the_other() {
    for (got, want) in [(f32::NAN, 1.0), (1.0, f32::NAN), (f32::INFINITY, f32::NEG_INFINITY), (f32::MAX, f32::INFINITY)]
    {
        assert!(
            right(&floats(&[got]), &floats(&[want]), Tolerance { relative: 1.0, absolute: 1e30 }).is_err(),
            "{got} for {want}"
        );
    }
    right(&floats(&[f32::NAN, f32::INFINITY]), &floats(&[f32::NAN, f32::INFINITY]), Tolerance::default()).unwrap();
}

#[test]
fn whole_numbers_are_exact() {
    let (a, b) = (Array::of(&[i64::MAX], &[1]), Array::of(&[i64::MAX - 1], &[1]));
    assert!(right(&a, &b, Tolerance { relative: 1.0, absolute: 1.0 }).is_err());
    assert!(right(&Array::of(&[true], &[1]), &Array::of(&[false], &[1]), Tolerance::default()).is_err());
}

#[test]
fn shapes_and_types_must_agree() {
    assert!(right(&Array::of(&[1i32], &[1]), &Array::of(&[1i64], &[1]), Tolerance::default()).is_err());
    assert!(right(&Array::of(&[1i32, 2], &[1, 2]), &Array::of(&[1i32, 2], &[2, 1]), Tolerance::default()).is_err());
}

#[test]
fn distance_is_counted_in_floats() {
    let next = f32::from_bits(1.0f32.to_bits() + 3);
    assert_eq!(compare(&floats(&[next, -0.0]), &floats(&[1.0, 0.0]), Tolerance::default()).unwrap().ulp, 3);
}

/// Every case has runs, and every run has outputs: none passes by being empty.
#[test]
fn no_case_is_empty() {
    for generated in kiln_tests::generated() {
        let case = kiln_tests::case::Case::read(generated.case);
        assert!(!case.runs.is_empty() && case.runs.iter().all(|run| !run.outputs.is_empty()), "{}", generated.case);
    }
}
