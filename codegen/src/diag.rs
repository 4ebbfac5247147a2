//! What the user is told when a model cannot be compiled.

use std::fmt;

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Severity {
    /// The model cannot be compiled.
    Error,
    /// It can, with a caveat.
    Warning,
}

/// One finding.
#[derive(Clone, PartialEq, Debug)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The node at fault, by its name or its first output's.
    pub node: Option<String>,
    /// The operator, by ONNX's name.
    pub op: String,
    /// What is wrong.
    pub message: String,
    /// What would work.
    pub help: Option<String>,
}

/// All findings on a model.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Diagnostics {
    /// The model file.
    pub file: String,
    /// In the order they were found.
    pub list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// One error about the model as a whole. A line of the message that begins with `help: ` is what would work.
    pub fn model(file: &str, message: &str) -> Diagnostics {
        let mut diagnostics = Diagnostics { file: file.to_string(), list: Vec::new() };
        diagnostics.error(None, "", message);
        diagnostics
    }

    /// One error about a node.
    pub fn node(file: &str, node: &str, op: &str, message: &str) -> Diagnostics {
        let mut diagnostics = Diagnostics { file: file.to_string(), list: Vec::new() };
        diagnostics.error(Some(node), op, message);
        diagnostics
    }

    /// Adds an error. A line of the message that begins with `help: ` is what would work.
    pub fn error(&mut self, node: Option<&str>, op: &str, message: &str) {
        let (message, help) = match message.split_once("\nhelp: ") {
            Some((message, help)) => (message, Some(help.to_string())),
            None => (message, None),
        };
        self.list.push(Diagnostic {
            severity: Severity::Error,
            node: node.map(str::to_string),
            op: op.to_string(),
            message: message.to_string(),
            help,
        });
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        for (i, diagnostic) in self.list.iter().enumerate() {
            let severity = match diagnostic.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            write!(f, "{}{}: {severity}: ", if i > 0 { "\n" } else { "" }, self.file)?;
            if let Some(node) = &diagnostic.node {
                write!(f, "node {node:?} ({}): ", diagnostic.op)?;
            }
            write!(f, "{}", diagnostic.message)?;
            if let Some(help) = &diagnostic.help {
                write!(f, "\n  help: {help}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}
