//! `MODEL.tune`: which way of doing a layer was measured to be the fastest, as text that people review.
//!
//! ```text
//! # comments
//! sha256 <of the model>
//! conv1          form winograd  # direct 0.1 ms, winograd 0.08 ms
//! "a conv; two"@2 form direct   # the second layer of that name
//! ```
//!
//! A file is obeyed or refused, never in part: what it says of a model that has changed must not apply in silence.

use crate::diag::Diagnostics;
use std::fmt;
use std::fmt::Write;
use std::ops::Range;

/// What there is to choose about a layer. A further kind is a further variant here, and the candidates it has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The form of a convolution or a product.
    Form,
}

/// One way of doing a layer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Candidate {
    /// As sums of products, in the tiles that the sizes suggest.
    Direct,
    /// The same in tall tiles.
    Tall,
    /// The same in wide tiles.
    Wide,
    /// A convolution by Winograd's transforms, of tiles of 4 by 4 pixels.
    Winograd,
    /// The same of tiles of 2 by 2 pixels.
    Winograd2,
}

impl Kind {
    const ALL: [Kind; 1] = [Kind::Form];

    /// Its name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Form => "form",
        }
    }

    /// Everything that may be chosen; a layer need not have them all.
    pub fn candidates(self) -> &'static [Candidate] {
        match self {
            Kind::Form => {
                &[Candidate::Direct, Candidate::Tall, Candidate::Wide, Candidate::Winograd, Candidate::Winograd2]
            }
        }
    }
}

impl Candidate {
    /// Its name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Candidate::Direct => "direct",
            Candidate::Tall => "tall",
            Candidate::Wide => "wide",
            Candidate::Winograd => "winograd",
            Candidate::Winograd2 => "winograd2",
        }
    }
}

/// A layer by its node's name, and which of those that share it: calls of a function and turns of a loop repeat names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layer {
    /// The node's name.
    pub node: String,
    /// 1 for the first of that name.
    pub nth: usize,
}

/// A bare name or one in quotes, and `@2` if it is the second of that name.
impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if !self.node.is_empty() && self.node.chars().all(is_bare) {
            f.write_str(&self.node)?;
        } else {
            f.write_char('"')?;
            for c in self.node.chars() {
                match c {
                    '"' | '\\' => write!(f, "\\{c}")?,
                    c if c == ' ' || c.is_ascii_graphic() || c.is_alphanumeric() => f.write_char(c)?,
                    c => write!(f, "\\u{{{:x}}}", u32::from(c))?,
                }
            }
            f.write_char('"')?;
        }
        if self.nth > 1 { write!(f, "@{}", self.nth) } else { Ok(()) }
    }
}

/// Whether a name with this character needs no quotes.
fn is_bare(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_./:-+".contains(c)
}

/// What was chosen of a layer, and what could have been.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// Of which layer.
    pub layer: Layer,
    /// What about it.
    pub kind: Kind,
    /// What this layer can have, with these options.
    pub candidates: Vec<Candidate>,
    /// What it has.
    pub taken: Candidate,
    /// Whether a tuning file said so; otherwise a cost model did.
    pub is_tuned: bool,
    /// The layer's steps, as indices into those of the model.
    pub steps: Range<usize>,
}

/// A choice for a layer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// Of which layer.
    pub layer: Layer,
    /// What about it.
    pub kind: Kind,
    /// What it gets.
    pub candidate: Candidate,
}

/// A tuning file's content.
#[derive(Clone, Debug)]
pub struct Tuning {
    /// Path of the file, for messages.
    name: String,
    sha256: String,
    /// Line numbers, and what stands there.
    lines: Vec<(usize, Line)>,
}

impl Tuning {
    /// Reads a tuning file; `name` is its path.
    ///
    /// # Errors
    /// If a line is not of the form, or names what there is not; the text names file and line.
    pub fn parse(name: &str, text: &str) -> Result<Tuning, Diagnostics> {
        let mut tuning = Tuning { name: name.to_string(), sha256: String::new(), lines: Vec::new() };
        for (at, line) in text.lines().enumerate().map(|(i, line)| (i + 1, line.trim())) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let fail = |message: String| Diagnostics::model(&format!("{name}:{at}"), &message);
            if tuning.sha256.is_empty() {
                tuning.sha256 = parse_sha256(line).map_err(fail)?;
                continue;
            }
            let line = parse_line(line).map_err(fail)?;
            if let Some((before, _)) = tuning.find(&line.layer, line.kind) {
                return Err(fail(format!(
                    "the {} of {} was chosen before, in line {before}",
                    line.kind.name(),
                    line.layer
                )));
            }
            tuning.lines.push((at, line));
        }
        if tuning.sha256.is_empty() {
            return Err(Diagnostics::model(name, &format!("{NO_SHA256}{AGAIN}")));
        }
        Ok(tuning)
    }

    /// Refuses a model that is not the one measured.
    pub fn check_model(&self, sha256: &str) -> Result<(), Diagnostics> {
        if self.sha256 == sha256 {
            return Ok(());
        }
        let short = |sum: &str| sum.get(..12).unwrap_or(sum).to_string();
        let (was, is) = (short(&self.sha256), short(sha256));
        let message = format!("it was written for another model: SHA-256 {was}…, where the model's is {is}…{AGAIN}");
        Err(Diagnostics::model(&self.name, &message))
    }

    /// What the file says of a layer, and in which line.
    fn find(&self, layer: &Layer, kind: Kind) -> Option<&(usize, Line)> {
        self.lines.iter().find(|(_, line)| line.layer == *layer && line.kind == kind)
    }

    /// What the file chooses for a layer that can have `candidates`.
    pub fn choice(&self, layer: &Layer, kind: Kind, candidates: &[Candidate]) -> Result<Option<Candidate>, String> {
        let Some((at, line)) = self.find(layer, kind) else { return Ok(None) };
        if candidates.contains(&line.candidate) {
            return Ok(Some(line.candidate));
        }
        let (kind, wanted, can) = (kind.name(), line.candidate.name(), names(candidates));
        Err(format!(
            "{}:{at} wants the {kind} {wanted}, with these options it can be {can} alone{AGAIN} with these options",
            self.name
        ))
    }

    /// Refuses lines that no layer asked for.
    pub fn check_used(&self, chosen: &[Chosen]) -> Result<(), Diagnostics> {
        let is_used = |line: &Line| chosen.iter().any(|chosen| chosen.layer == line.layer && chosen.kind == line.kind);
        match self.lines.iter().find(|(_, line)| !is_used(line)) {
            None => Ok(()),
            Some((at, line)) => {
                let message =
                    format!("the model has no layer {} with a choice of {}{AGAIN}", line.layer, line.kind.name());
                Err(Diagnostics::model(&format!("{}:{at}", self.name), &message))
            }
        }
    }

    /// A tuning file's text: comments of one line each, the model's SHA-256, and the choices, each with a comment of its own.
    pub fn text(comments: &[String], sha256: &str, lines: &[(Line, String)]) -> String {
        // What comes from elsewhere must not end a comment early.
        let one_line = |text: &str| text.replace(char::is_control, " ");
        let mut text: String = comments.iter().map(|comment| format!("# {}\n", one_line(comment))).collect();
        text.push_str(&format!("sha256 {sha256}\n"));
        let row = |(line, comment): &(Line, String)| {
            let comment = if comment.is_empty() { String::new() } else { format!("  # {}", one_line(comment)) };
            (line.layer.to_string(), format!("{} {}", line.kind.name(), line.candidate.name()), comment)
        };
        let rows: Vec<(String, String, String)> = lines.iter().map(row).collect();
        let width =
            |cells: &mut dyn Iterator<Item = &String>| cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
        let widths = (width(&mut rows.iter().map(|row| &row.0)), width(&mut rows.iter().map(|row| &row.1)));
        for (layer, choice, comment) in &rows {
            let row = format!("{layer:0$} {choice:1$}{comment}", widths.0, widths.1);
            text.push_str(row.trim_end());
            text.push('\n');
        }
        text
    }
}

const AGAIN: &str = "\nhelp: `tune = false` (`--no-tune`) ignores the file; to renew it, run `kiln tune` again";
const NO_SHA256: &str = "it does not begin with `sha256` and the model's, 64 digits of 0-9 and a-f";

fn names(candidates: &[Candidate]) -> String {
    let names: Vec<&str> = candidates.iter().map(|candidate| candidate.name()).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

fn parse_sha256(line: &str) -> Result<String, String> {
    let words = words(line);
    let is_sum = |word: &str| word.len() == 64 && word.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    match words[..] {
        ["sha256", sum] if is_sum(sum) => Ok(sum.to_string()),
        _ => Err(format!("{NO_SHA256}{AGAIN}")),
    }
}

/// The words before a comment.
fn words(text: &str) -> Vec<&str> {
    text.split('#').next().unwrap_or_default().split_whitespace().collect()
}

fn parse_line(line: &str) -> Result<Line, String> {
    let form = || format!("a line has the form `layer kind candidate`, as `conv1 form direct`{AGAIN}");
    let (node, rest) = match line.strip_prefix('"') {
        Some(rest) => parse_quoted(rest).ok_or_else(|| format!("the name's quotes or escapes do not end{AGAIN}"))?,
        None => {
            let (node, rest) = line.split_at(line.find(|c| !is_bare(c)).unwrap_or(line.len()));
            (node.to_string(), rest)
        }
    };
    let (nth, rest) = match rest.strip_prefix('@') {
        Some(rest) => {
            let (nth, rest) = rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len()));
            (nth.parse().ok().filter(|&nth| nth > 1).ok_or_else(form)?, rest)
        }
        None => (1, rest),
    };
    let [kind, candidate] = words(rest)[..] else { return Err(form()) };
    if !rest.starts_with(char::is_whitespace) {
        return Err(form());
    }
    let kinds = || Kind::ALL.map(Kind::name).join(" or ");
    let kind = Kind::ALL
        .into_iter()
        .find(|k| k.name() == kind)
        .ok_or_else(|| format!("there is no choice of {kind:?}, only of {}{AGAIN}", kinds()))?;
    let candidates = kind.candidates();
    let candidate = candidates
        .iter()
        .copied()
        .find(|c| c.name() == candidate)
        .ok_or_else(|| format!("there is no {} {candidate:?}; it is {}{AGAIN}", kind.name(), names(candidates)))?;
    Ok(Line { layer: Layer { node, nth }, kind, candidate })
}

/// A name up to its closing quote, and what comes after.
fn parse_quoted(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut chars = text.chars();
    loop {
        match chars.next()? {
            '"' => return Some((name, chars.as_str())),
            '\\' => match chars.next()? {
                'u' => {
                    let (digits, rest) = chars.as_str().strip_prefix('{')?.split_once('}')?;
                    name.push(char::from_u32(u32::from_str_radix(digits, 16).ok()?)?);
                    chars = rest.chars();
                }
                c @ ('"' | '\\') => name.push(c),
                _ => return None,
            },
            c => name.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(node: &str, nth: usize, candidate: Candidate) -> Line {
        Line { layer: Layer { node: node.to_string(), nth }, kind: Kind::Form, candidate }
    }

    fn error(lines: &str) -> String {
        let text = format!("sha256 {}\n{lines}\n", "0".repeat(64));
        Tuning::parse("m.onnx.tune", &text).unwrap_err().to_string()
    }

    #[test]
    fn what_is_written_is_read() {
        let names = ["conv1", "/a/b.c:0", "two words", "", "\"\\", "é\u{202e}\n#", "a@2", "sha256", "#"];
        let mut lines: Vec<(Line, String)> =
            names.iter().map(|name| (line(name, 1, Candidate::Winograd), "direct 1 ms\nx".to_string())).collect();
        lines.push((line("conv1", 2, Candidate::Direct), String::new()));
        let text = Tuning::text(&["made by\nhand".to_string()], &"a".repeat(64), &lines);
        let tuning = Tuning::parse("m.onnx.tune", &text).unwrap();
        assert_eq!(tuning.lines.len(), lines.len(), "{text}");
        for ((_, read), (written, _)) in tuning.lines.iter().zip(&lines) {
            assert_eq!(read, written);
        }
        assert!(tuning.check_model(&"a".repeat(64)).is_ok());
        assert!(text.starts_with("# made by hand\nsha256 aaa"));
        assert!(text.contains("\nconv1             form winograd  # direct 1 ms x\n"), "{text}");
        assert!(text.ends_with("\nconv1@2           form direct\n"), "{text}");
    }

    #[test]
    fn comments_and_empty_lines_are_free() {
        let text = format!("\r\n# a\r\n\r\n  sha256 {}  # b\r\n\tx form direct#c\r\n", "0".repeat(64));
        let tuning = Tuning::parse("m.onnx.tune", &text).unwrap();
        assert_eq!(tuning.lines, [(5, line("x", 1, Candidate::Direct))]);
    }

    #[test]
    fn errors_name_file_and_line() {
        for (lines, want) in [
            ("x form", "m.onnx.tune:2: error: a line has the form `layer kind candidate`"),
            ("x form direct winograd", "a line has the form"),
            ("two words form direct", "a line has the form"),
            ("x@1 form direct", "a line has the form"),
            ("x@-2 form direct", "a line has the form"),
            ("x! form direct", "a line has the form"),
            ("\"x\"form direct", "a line has the form"),
            ("\"x form direct", "quotes or escapes do not end"),
            (r#""\u{d800}" form direct"#, "quotes or escapes do not end"),
            (r#""\n" form direct"#, "quotes or escapes do not end"),
            ("\nx tile direct", "m.onnx.tune:3: error: there is no choice of \"tile\", only of form"),
            ("x form fast", "there is no form \"fast\"; it is direct, tall, wide, winograd or winograd2"),
            ("x form direct\nx form winograd", "m.onnx.tune:3: error: the form of x was chosen before, in line 2"),
        ] {
            assert!(error(lines).contains(want), "{lines:?}: {}", error(lines));
        }
    }

    #[test]
    fn the_model_s_sum_comes_first() {
        for text in ["", "# only a comment", "x form direct", "sha256 12", "sha256", &"sha256 A".repeat(64)] {
            let error = Tuning::parse("m.onnx.tune", text).unwrap_err().to_string();
            assert!(error.contains("does not begin with `sha256`") && error.contains("kiln tune"), "{error}");
        }
    }

    #[test]
    fn what_does_not_fit_the_model_is_refused() {
        let text = format!("sha256 {}\nx form winograd\ny@2 form direct\n", "0".repeat(64));
        let tuning = Tuning::parse("m.onnx.tune", &text).unwrap();
        let stale = tuning.check_model(&"1".repeat(64)).unwrap_err().to_string();
        assert!(stale.contains("000000000000…") && stale.contains("run `kiln tune` again"), "{stale}");
        let x = Layer { node: "x".to_string(), nth: 1 };
        let both = Kind::Form.candidates();
        assert_eq!(tuning.choice(&x, Kind::Form, both), Ok(Some(Candidate::Winograd)));
        let impossible = tuning.choice(&x, Kind::Form, &both[..1]).unwrap_err();
        assert!(impossible.starts_with("m.onnx.tune:2 wants the form winograd"), "{impossible}");
        let chosen = Chosen {
            layer: x,
            kind: Kind::Form,
            candidates: both.to_vec(),
            taken: Candidate::Winograd,
            is_tuned: true,
            steps: 0..1,
        };
        let unused = tuning.check_used(&[chosen]).unwrap_err().to_string();
        assert!(unused.starts_with("m.onnx.tune:3: error: the model has no layer y@2"), "{unused}");
    }
}
