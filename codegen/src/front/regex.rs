//! Patterns of regular expressions as the tables of a deterministic automaton.

use regex_automata::dfa::{Automaton as _, StartKind, dense};
use regex_automata::nfa::thompson::{self, WhichCaptures};
use regex_automata::util::primitives::StateID;
use regex_automata::util::{start, syntax};
use regex_automata::{Anchored, MatchKind};
use std::collections::HashMap;

/// Bytes the automaton may take while it is made: a short pattern can ask for any amount.
const LIMIT: usize = 1 << 22;
/// Depth of groups in a pattern.
const NESTING: u32 = 64;

/// Walks a string byte by byte, from state 0 on.
#[derive(Debug)]
pub struct Automaton {
    /// The class of each byte.
    pub classes: Vec<u8>,
    /// The state after a byte of each class, a row for each state.
    pub next: Vec<i64>,
    /// Whether the string may end in a state.
    pub ends: Vec<bool>,
}

/// The automaton that accepts what `pattern`, in RE2's syntax, matches as a whole.
pub fn automaton(pattern: &str) -> Result<Automaton, String> {
    let refuse = |e: &dyn std::fmt::Display| format!("its pattern {pattern:?}: {}", e.to_string().trim());
    let pattern = translated(pattern).map_err(|e| refuse(&e))?;
    let dfa = dense::Builder::new()
        .configure(
            dense::Config::new()
                .start_kind(StartKind::Anchored)
                .match_kind(MatchKind::All)
                .accelerate(false)
                .dfa_size_limit(Some(LIMIT))
                .determinize_size_limit(Some(LIMIT)),
        )
        .thompson(thompson::Config::new().which_captures(WhichCaptures::None).nfa_size_limit(Some(LIMIT)))
        .syntax(syntax::Config::new().nest_limit(NESTING))
        .build(&format!("\\A(?:{pattern})\\z"))
        .map_err(|e| refuse(&innermost(&e)))?;
    let start = dfa.start_state(&start::Config::new().anchored(Anchored::Yes)).map_err(|e| refuse(&e))?;
    let mut numbers: HashMap<StateID, usize> = HashMap::from([(start, 0)]);
    let mut states = vec![start];
    let mut rows: Vec<Vec<usize>> = Vec::new();
    while let Some(&state) = states.get(rows.len()) {
        let row = (0..=255u8).map(|byte| {
            let next = dfa.next_state(state, byte);
            *numbers.entry(next).or_insert_with(|| {
                states.push(next);
                states.len() - 1
            })
        });
        rows.push(row.collect());
    }
    let ends = states.iter().map(|&state| dfa.is_match_state(dfa.next_eoi_state(state))).collect();
    // Bytes that lead to the same states from everywhere are one class.
    let mut columns: HashMap<Vec<usize>, u8> = HashMap::new();
    let mut members = Vec::new();
    let classes = (0..256).map(|byte| {
        let column: Vec<usize> = rows.iter().map(|row| row[byte]).collect();
        let next = columns.len() as u8;
        *columns.entry(column).or_insert_with(|| {
            members.push(byte);
            next
        })
    });
    let classes = classes.collect();
    let next = rows.iter().flat_map(|row| members.iter().map(|&byte| row[byte] as i64)).collect();
    Ok(Automaton { classes, next, ends })
}

/// What an error comes from in the end, which says the most; of several lines the last.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let text = cause.to_string();
    text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_string()
}

/// RE2's syntax as that of the crate that reads it: the classes of backslashes are ASCII's, and a bracket inside brackets is itself.
fn translated(pattern: &str) -> Result<String, String> {
    let mut result = String::new();
    let mut chars = pattern.chars().peekable();
    let mut in_class = false;
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                let Some(escaped) = chars.next() else { return Err("it ends in a backslash".into()) };
                match escaped {
                    'd' => result.push_str("[0-9]"),
                    'D' => result.push_str("[^0-9]"),
                    'w' => result.push_str("[0-9A-Za-z_]"),
                    'W' => result.push_str("[^0-9A-Za-z_]"),
                    's' => result.push_str("[\\t\\n\\f\\r ]"),
                    'S' => result.push_str("[^\\t\\n\\f\\r ]"),
                    'b' | 'B' if !in_class => result.push_str(&format!("(?-u:\\{escaped})")),
                    'C' => return Err("\\C is not supported".into()),
                    'Q' => {
                        let rest: String = chars.by_ref().collect();
                        let (literal, after) = rest.split_once("\\E").unwrap_or((&rest, ""));
                        let escaped =
                            literal.chars().map(|c| if c.is_ascii_punctuation() { format!("\\{c}") } else { c.into() });
                        result.extend(escaped);
                        return Ok(result + &translated(after)?);
                    }
                    other => result.extend(['\\', other]),
                }
            }
            '[' if in_class && chars.peek() == Some(&':') => {
                // A class by name, such as [:alpha:].
                let mut name = String::from("[");
                name.extend(chars.by_ref().take_while(|&c| c != ']'));
                result.push_str(&(name + "]"));
            }
            '[' if in_class => result.push_str("\\["),
            '&' | '~' if in_class => result.extend(['\\', c]),
            '[' => {
                in_class = true;
                result.push(c);
                result.extend(chars.next_if_eq(&'^'));
                if chars.next_if_eq(&']').is_some() {
                    result.push_str("\\]");
                }
            }
            ']' => {
                in_class = false;
                result.push(c);
            }
            other => result.push(other),
        }
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        let automaton = automaton(pattern).unwrap();
        let n_classes = automaton.next.len() / automaton.ends.len();
        let step = |state: usize, byte: u8| {
            automaton.next[state * n_classes + automaton.classes[byte as usize] as usize] as usize
        };
        automaton.ends[text.bytes().fold(0, step)]
    }

    #[test]
    fn patterns_match_whole_strings() {
        for (pattern, text, want) in [
            ("a|ab", "ab", true),
            ("a*", "", true),
            ("a*", "aab", false),
            (r"(\W|^)[\w.\-]{0,25}@(yahoo|gmail)\.com(\W|$)", "account@gmail.com", true),
            (r"www\.[\w.-]+\.\w+", "www.google.com", true),
            (r"www\.[\w.-]+\.\w+", "www.größe.de", false),
            (".", "ö", true),
            (".", "ab", false),
            ("[^a]", "ö", true),
            ("(?i)strasse", "STRASSE", true),
            (r"\d+", "٣", false),
            ("[[]", "[", true),
            ("[]a]+", "]a", true),
            ("[[:alpha:]]+", "abc", true),
            (r"\Qa.b\E+", "a.bb", true),
            (r"\bword\b", "word", true),
            ("", "", true),
        ] {
            assert_eq!(matches(pattern, text), want, "{pattern} on {text}");
        }
    }

    #[test]
    fn what_is_no_pattern_or_too_large_is_refused() {
        assert!(automaton("(").unwrap_err().contains("its pattern \"(\""));
        assert!(automaton(r"(.*a.{40}){40}").is_err());
        assert!(automaton(&"(".repeat(1000)).is_err());
        assert!(automaton(r"(a)\1").is_err());
    }
}
