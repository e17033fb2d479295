//! Settings of the sections `data` and `train`: keys known, each given once, values of their kinds.

use nnc_grammar::ast::{Expr, ExprKind, Section, Setting};
use nnc_grammar::diagnostic::{Code, Diagnostic};
use nnc_grammar::span::Span;

use super::Cx;
use super::definitions::Origin;
use super::scalar::{Role, Scope};

/// A section that is being read.
pub(super) struct Settings<'a> {
    /// Keys that are known and given, the first of each.
    settings: Vec<&'a Setting>,
    /// Constants of a section see no names.
    pub(super) scope: Scope,
}

impl<'a> Settings<'a> {
    /// Reports keys that are not known or given again.
    pub(super) fn read(cx: &mut Cx<'_>, section: &'a Section, name: &str, keys: &[&str]) -> Self {
        let mut settings: Vec<&'a Setting> = Vec::with_capacity(section.settings.len());
        for setting in &section.settings {
            let key = &setting.key;
            if !keys.contains(&key.name.as_str()) {
                let mut diagnostic = Diagnostic::new(
                    Code::E0209,
                    format!("unknown key `{}` in `{name}`", key.name),
                    key.span,
                    "not known",
                )
                .with_closest(&key.name, keys.iter().copied());
                if diagnostic.help.is_empty() {
                    diagnostic = diagnostic.with_note(super::listed("keys are", keys));
                }
                cx.report(diagnostic);
                continue;
            }
            if let Some(first) = settings.iter().find(|first| first.key.name == key.name) {
                let diagnostic = Diagnostic::new(
                    Code::E0206,
                    format!("key `{}` is given twice", key.name),
                    key.span,
                    "given again here",
                )
                .with_label(first.key.span, "first given here");
                cx.report(diagnostic);
                continue;
            }
            settings.push(setting);
        }
        Self { settings, scope: Scope::new(Origin::User, Role::Constant) }
    }

    /// The value of a key.
    pub(super) fn value(&self, key: &str) -> Option<&'a Expr> {
        self.settings.iter().find(|setting| setting.key.name == key).map(|setting| &setting.value)
    }

    /// Where a key stands.
    pub(super) fn key(&self, key: &str) -> Option<Span> {
        self.settings.iter().find(|setting| setting.key.name == key).map(|setting| setting.key.span)
    }

    /// A whole number from 1.
    pub(super) fn count(&self, cx: &mut Cx<'_>, key: &str) -> Option<usize> {
        cx.count(&self.scope, self.value(key)?, &format!("`{key}`"), Code::E0205)
    }

    /// A truth value.
    pub(super) fn flag(&self, cx: &mut Cx<'_>, key: &str) -> Option<bool> {
        cx.flag(&self.scope, self.value(key)?, &format!("`{key}`"))
    }

    /// A number that `is_valid` accepts; `expected` says which those are, and
    /// `example` is one of them.
    pub(super) fn number(
        &self,
        cx: &mut Cx<'_>,
        key: &str,
        expected: &str,
        example: &str,
        is_valid: impl Fn(f64) -> bool,
    ) -> Option<f64> {
        let (expr, what) = (self.value(key)?, format!("`{key}`"));
        let number = cx.constant(&self.scope, expr, &what)?;
        if is_valid(number) {
            return Some(number);
        }
        let found = cx.found(expr, number);
        let help = super::ranges::help(number, is_valid, None, &format!("{key} {example}"));
        cx.out_of_range(expr.span, &what, expected, &found, help);
        None
    }

    /// A string that is not empty.
    pub(super) fn text(&self, cx: &mut Cx<'_>, key: &str) -> Option<String> {
        let (expr, what) = (self.value(key)?, format!("`{key}`"));
        match &expr.kind {
            ExprKind::Text(text) if !text.is_empty() => Some(text.clone()),
            ExprKind::Text(_) => {
                let help = format!("leave `{key}` out where there is none");
                cx.out_of_range(expr.span, &what, "a text that is not empty", "`\"\"`", help);
                None
            }
            ExprKind::Error => None,
            kind => {
                cx.wrong_argument(expr.span, &what, "a text in quotes");
                if let (ExprKind::Name(name), Some(last)) = (kind, cx.diagnostics.last_mut()) {
                    last.help.push(format!("in quotes: `\"{name}\"`"));
                }
                None
            }
        }
    }

    /// One name or number, or a list of them: classes, as the data call them.
    pub(super) fn classes(&self, cx: &mut Cx<'_>, key: &str) -> Vec<(String, Span)> {
        self.list(cx, key, "class", |cx, item| match &item.kind {
            ExprKind::Name(name) | ExprKind::Text(name) if !name.is_empty() => Some(name.clone()),
            ExprKind::Number { .. } => Some(cx.text(item.span).to_owned()),
            _ => None,
        })
    }

    /// One name, or a list of names; a name that is no word is written in quotes.
    pub(super) fn names(&self, cx: &mut Cx<'_>, key: &str) -> Vec<(String, Span)> {
        self.words(cx, key, "column")
    }

    /// One name of a `what`, or a list of them.
    pub(super) fn words(&self, cx: &mut Cx<'_>, key: &str, what: &str) -> Vec<(String, Span)> {
        self.list(cx, key, what, |_, item| match &item.kind {
            ExprKind::Name(name) | ExprKind::Text(name) if !name.is_empty() => Some(name.clone()),
            _ => None,
        })
    }

    /// How many names stand in each list of a list of lists, with the place of each; nothing for another value.
    pub(super) fn groups(&self, key: &str) -> Vec<(usize, Span)> {
        let Some(ExprKind::List(items)) = self.value(key).map(|expr| &expr.kind) else { return Vec::new() };
        let group = |item: &Expr| match &item.kind {
            ExprKind::List(names) => Some((names.len(), item.span)),
            _ => None,
        };
        items.iter().map(group).collect::<Option<Vec<_>>>().unwrap_or_default()
    }

    /// One item or a list of them, each given once; `what` an item names.
    fn list(
        &self,
        cx: &mut Cx<'_>,
        key: &str,
        what: &str,
        name: impl Fn(&Cx<'_>, &Expr) -> Option<String>,
    ) -> Vec<(String, Span)> {
        let Some(expr) = self.value(key) else { return Vec::new() };
        let items: Vec<&Expr> = match &expr.kind {
            ExprKind::List(items) if key == "features" && !self.groups(key).is_empty() => {
                items.iter().flat_map(of_group).collect()
            }
            ExprKind::List(items) => items.iter().collect(),
            _ => vec![expr],
        };
        let mut names: Vec<(String, Span)> = Vec::with_capacity(items.len());
        for item in items {
            if matches!(item.kind, ExprKind::Error) {
                continue;
            }
            let Some(name) = name(cx, item) else {
                cx.wrong_argument(item.span, &format!("`{key}`"), &format!("the name of a {what}"));
                if let Some(last) = cx.diagnostics.last_mut() {
                    last.help.push("a name that is no word stands in quotes: `\"petal length\"`".to_owned());
                }
                continue;
            };
            if let Some((_, first)) = names.iter().find(|(known, _)| *known == name) {
                let diagnostic = Diagnostic::new(
                    Code::E0206,
                    format!("{what} `{name}` is named twice"),
                    item.span,
                    "named again here",
                )
                .with_label(*first, "first named here");
                cx.report(diagnostic);
                continue;
            }
            names.push((name, item.span));
        }
        if let ExprKind::List(items) = &expr.kind
            && items.is_empty()
        {
            let help = format!("name a {what}, or leave `{key}` out");
            cx.out_of_range(expr.span, &format!("`{key}`"), &format!("one {what} or more"), "none", help);
        }
        names
    }
}

/// The items of a list in a list, or the item itself.
fn of_group(item: &Expr) -> &[Expr] {
    match &item.kind {
        ExprKind::List(items) if !items.is_empty() => items,
        _ => std::slice::from_ref(item),
    }
}
