//! What a generated `run` says to inputs whose shapes do not fit.

use kiln_tests::array::Array;
use kiln_tests::of_case;

/// The refusal of a case's model for inputs of zeros in these shapes.
fn refusal(case: &str, shapes: &[&[usize]]) -> Option<String> {
    let inputs: Vec<Array> = shapes.iter().map(|shape| Array::of(&vec![0f32; shape.iter().product()], shape)).collect();
    let generated = of_case(case).into_iter().find(|generated| generated.runs_here())?;
    Some(generated.model().infer(&inputs.iter().collect::<Vec<_>>()).err().unwrap_or_default())
}

/// The refusal of a case's model for these strings.
fn refusal_of_texts(case: &str, inputs: &[&[&str]]) -> Option<String> {
    let inputs: Vec<Array> = inputs.iter().map(|texts| Array::of_texts(texts, &[texts.len()])).collect();
    let generated = of_case(case).into_iter().find(|generated| generated.runs_here())?;
    Some(generated.model().infer(&inputs.iter().collect::<Vec<_>>()).err().unwrap_or_default())
}

#[test]
fn strings_that_do_not_fit_are_refused() {
    if let Some(said) =
        refusal_of_texts("strings_taken_apart", &[&["a, b"], &["1 2 3 4 5 6 7 8 9", "1 2 3 4 5 6 7 8 9 10"]])
    {
        assert_eq!(said, "pieces of a string of \"words_\": 10, more than the 9 the model was generated for");
    }
    if let Some(said) = refusal_of_texts("strings_read", &[&["1", "x", "-1e", "2"]]) {
        assert_eq!(said, "strings of \"wide\" that are no f32: 2, more than the 0 the model was generated for");
    }
    if let Some(said) = refusal_of_texts("strings_read", &[&["256"]]) {
        assert!(said.contains("that are no u8: 1"), "{said}");
    }
}

#[test]
fn sizes_that_must_be_equal_are_named() {
    if let Some(said) = refusal("sizes_equal_sometimes", &[&[1, 2, 5, 4]]) {
        assert!(said.contains("must be equal for this model"), "{said:?}");
        assert!(said.contains("`height` is 5") || said.contains("is 4"), "{said:?}");
    }
    if let Some(said) = refusal("sizes_of_two_names", &[&[4, 3], &[3, 3], &[1, 3]]) {
        assert_eq!(said, "`m` is 3 and `n` is 4; they must be equal for this model");
    }
}
