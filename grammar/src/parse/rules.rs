//! The grammar itself: pieces of text given to pest, and its faults in the user's words.

use pest::{
    Parser,
    error::{ErrorVariant, InputLocation},
    iterators::Pairs,
};

use crate::recover;

#[derive(pest_derive::Parser)]
#[grammar = "nn.pest"]
struct Grammar;

/// A piece of text that the grammar reads on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Items to the end.
    File,
    /// One item.
    Item,
    /// One statement of a model, block or cell.
    Statement,
    /// One statement of an optimizer.
    Update,
    /// One `key value` of a section.
    Setting,
    /// A number.
    Number,
    /// A string.
    Text,
}

/// Why a piece was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Offset of the furthest place that was reached.
    pub at: usize,
    /// What could have stood there, in the user's words.
    pub expected: Vec<&'static str>,
}

/// Whether the grammar accepts the piece.
pub(crate) fn check(piece: Piece, text: &str) -> Result<(), Fault> {
    read(piece, text).map(|_| ())
}

pub(super) fn read_bytes(piece: Piece, bytes: &[u8]) -> Result<Pairs<'_, Rule>, Fault> {
    // Blanking overwrites whole characters, so the bytes stay a text.
    read(piece, std::str::from_utf8(bytes).unwrap_or(""))
}

fn read(piece: Piece, text: &str) -> Result<Pairs<'_, Rule>, Fault> {
    let rule = match piece {
        Piece::File => Rule::file,
        Piece::Item => Rule::whole_item,
        Piece::Statement => Rule::whole_statement,
        Piece::Update => Rule::whole_update,
        Piece::Setting => Rule::whole_setting,
        Piece::Number => Rule::whole_number,
        Piece::Text => Rule::whole_string,
    };
    Grammar::parse(rule, text).map_err(|error| {
        let at = match error.location {
            InputLocation::Pos(at) | InputLocation::Span((at, _)) => at,
        };
        let (mut rules, avoided) = match error.variant {
            ErrorVariant::ParsingError { positives, negatives } => (positives, negatives),
            ErrorVariant::CustomError { .. } => (Vec::new(), Vec::new()),
        };
        // A statement begins where a stage or a name was due.
        if avoided.contains(&Rule::opening) {
            let follows_arrow = text.get(..at).is_some_and(|before| before.trim_end().ends_with("->"));
            rules.push(if follows_arrow { Rule::stage } else { Rule::name });
        }
        let mut expected: Vec<_> = rules.into_iter().filter_map(describe).collect();
        expected.sort_by_key(|(rank, words)| (*rank, *words));
        expected.dedup();
        Fault { at, expected: expected.into_iter().map(|(_, words)| words).collect() }
    })
}

/// What a rule is called in messages, with its rank in an enumeration.
fn describe(rule: Rule) -> Option<(u8, &'static str)> {
    Some(match rule {
        Rule::item | Rule::visibility | Rule::model => (0, "a definition"),
        Rule::statement | Rule::assignment | Rule::input_statement | Rule::state_statement => {
            (0, "a statement")
        }
        Rule::update => (0, "`state`, `let` or an assignment"),
        Rule::setting => (0, "a setting"),
        Rule::stage | Rule::label | Rule::chain => (1, "a stage"),
        Rule::call => (1, "a name"),
        Rule::name | Rule::name_list | Rule::declaration => (1, "a name"),
        Rule::parameter => (1, "a parameter"),
        Rule::argument | Rule::argument_name => (1, "an argument"),
        Rule::pattern | Rule::segment => (1, "the name of a parameter"),
        Rule::expression | Rule::operand | Rule::prefix | Rule::boolean | Rule::number => (1, "a value"),
        Rule::conditional | Rule::if_branch | Rule::group | Rule::minus | Rule::not => (1, "a value"),
        Rule::list => (1, "a list in `[…]`"),
        Rule::string => (1, "a string in `\"…\"`"),
        Rule::from_keyword => (2, "`from`"),
        Rule::weights_keyword | Rule::import_weights => (2, "`weights`"),
        Rule::else_keyword => (2, "`else`"),
        Rule::model_keyword => (2, "`model`"),
        Rule::arrow => (3, "`->`"),
        Rule::assign | Rule::default => (3, "`=`"),
        Rule::colon | Rule::kind | Rule::shape => (3, "`:`"),
        Rule::comma => (3, "`,`"),
        Rule::body | Rule::section | Rule::optimizer_body | Rule::alternative | Rule::open_brace => {
            (4, "`{`")
        }
        Rule::parameters | Rule::arguments | Rule::open_paren => (4, "`(`"),
        Rule::open_bracket => (4, "`[`"),
        Rule::close_paren => (5, "`)`"),
        Rule::close_bracket => (5, "`]`"),
        Rule::close_brace => (5, "`}`"),
        Rule::infix | Rule::plus | Rule::times | Rule::divide | Rule::power => (6, "an operator"),
        Rule::EOI => (9, recover::END),
        _ => return None,
    })
}
