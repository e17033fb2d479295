//! Diagnostics as JSON, for editors and other programs.

use std::fmt::Write;

use super::{Diagnostic, Label, Severity};
use crate::span::{SourceMap, Span};

impl Severity {
    /// `error`, `warning` or `note`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

impl Diagnostic {
    /// The diagnostic as one JSON object in one line.
    ///
    /// Lines and columns count from 1, columns in characters; `end_line` and `end_column` name the place behind the
    /// last character. `suggestion` is `null` where there is none.
    ///
    /// ```
    /// use nnc_grammar::{parse, span::SourceMap};
    ///
    /// let mut sources = SourceMap::new();
    /// let file = sources.add("iris.nn", "modle Iris { input [4] }");
    /// let json = parse(&sources, file).diagnostics[0].to_json(&sources);
    /// assert!(json.starts_with(r#"{"code":"E0101","severity":"error","message":"unexpected `modle`","file":"iris.nn""#));
    /// ```
    pub fn to_json(&self, sources: &SourceMap) -> String {
        let mut json = Writer { json: String::new(), sources };
        json.raw("{");
        json.text("code", self.code.as_str());
        json.raw(",");
        json.text("severity", self.severity.as_str());
        json.raw(",");
        json.text("message", &self.message);
        json.raw(",");
        json.place(self.primary.span);
        json.raw(",");
        json.text("label", &self.primary.text);
        json.raw(",\"secondary\":[");
        json.list(&self.secondary, Writer::label);
        json.raw("],\"notes\":[");
        json.list(&self.notes, |json, note| json.string(note));
        json.raw("],\"help\":[");
        json.list(&self.help, |json, help| json.string(help));
        json.raw("],\"suggestion\":");
        match &self.suggestion {
            None => json.raw("null"),
            Some(suggestion) => {
                json.raw("{");
                json.place(suggestion.span);
                json.raw(",");
                json.text("replacement", &suggestion.replacement);
                json.raw("}");
            }
        }
        json.raw("}");
        json.json
    }
}

struct Writer<'a> {
    json: String,
    sources: &'a SourceMap,
}

impl Writer<'_> {
    fn raw(&mut self, text: &str) {
        self.json.push_str(text);
    }

    fn text(&mut self, key: &str, value: &str) {
        self.string(key);
        self.raw(":");
        self.string(value);
    }

    fn list<T>(&mut self, values: &[T], mut write: impl FnMut(&mut Self, &T)) {
        for (idx, value) in values.iter().enumerate() {
            if idx > 0 {
                self.raw(",");
            }
            write(self, value);
        }
    }

    fn label(&mut self, label: &Label) {
        self.raw("{");
        self.place(label.span);
        self.raw(",");
        self.text("label", &label.text);
        self.raw("}");
    }

    fn place(&mut self, span: Span) {
        let sources = self.sources;
        let name = sources.get(span.file).map_or("", |file| file.name.as_str());
        let start = sources.line_column(span);
        let end = sources.line_column(Span { start: span.end, ..span });
        self.text("file", name);
        for (key, value) in [
            ("line", start.line),
            ("column", start.column),
            ("end_line", end.line),
            ("end_column", end.column),
        ] {
            self.raw(",");
            self.string(key);
            self.raw(":");
            self.raw(&value.to_string());
        }
    }

    fn string(&mut self, text: &str) {
        self.json.push('"');
        for character in text.chars() {
            match character {
                '"' => self.raw("\\\""),
                '\\' => self.raw("\\\\"),
                '\n' => self.raw("\\n"),
                '\r' => self.raw("\\r"),
                '\t' => self.raw("\\t"),
                // U+2028 and U+2029 end a line for some readers.
                '\0'..='\u{1f}' | '\u{7f}' | '\u{2028}' | '\u{2029}' => {
                    // Writing to a string cannot fail.
                    let _ = write!(self.json, "\\u{:04x}", u32::from(character));
                }
                character => self.json.push(character),
            }
        }
        self.json.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{Code, Suggestion};

    #[test]
    fn holds_every_part_in_one_line() {
        let mut sources = SourceMap::new();
        let file = sources.add("a \"b\".nn", "model A {\n    rleu\n}\n");
        let mut diagnostic =
            Diagnostic::new(Code::E0201, "unknown layer `rleu`", Span::new(file, 14, 18), "here")
                .with_label(Span::new(file, 0, 5), "in\tthis\\model")
                .with_note("one\ntwo")
                .with_help("did you mean `relu`?");
        diagnostic.suggestion =
            Some(Suggestion { span: diagnostic.primary.span, replacement: "relu\u{1}\u{2028}".to_owned() });
        let expected = concat!(
            r#"{"code":"E0201","severity":"error","message":"unknown layer `rleu`","file":"a \"b\".nn","#,
            r#""line":2,"column":5,"end_line":2,"end_column":9,"label":"here","#,
            r#""secondary":[{"file":"a \"b\".nn","line":1,"column":1,"end_line":1,"end_column":6,"#,
            r#""label":"in\tthis\\model"}],"notes":["one\ntwo"],"help":["did you mean `relu`?"],"#,
            r#""suggestion":{"file":"a \"b\".nn","line":2,"column":5,"end_line":2,"end_column":9,"#,
            r#""replacement":"relu\u0001\u2028"}}"#,
        );
        assert_eq!(diagnostic.to_json(&sources), expected);
    }

    #[test]
    fn writes_null_for_no_suggestion_and_survives_an_unknown_file() {
        let diagnostic = Diagnostic::new(Code::W0102, "unused", Span::default(), "");
        let json = diagnostic.to_json(&SourceMap::new());
        assert!(json.contains(r#""severity":"warning""#));
        assert!(json.contains(r#""file":"","line":1,"column":1"#));
        assert!(json.ends_with(r#""secondary":[],"notes":[],"help":[],"suggestion":null}"#));
    }
}
