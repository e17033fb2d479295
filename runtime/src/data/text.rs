//! Text, character by character: windows of it, each with the characters that come next.
//!
//! Every character of the text is a token, numbered in the order of code points. A sample is a window of as many
//! characters as the model has positions; its targets are the same window one character further on, or, for a model
//! with one class a sample, the character behind it. The last part of the text is the test, and the part before it the
//! validation part: what follows on a character is not held out where its neighbours are trained on. A window lies
//! within one part, its targets too.

use std::collections::BTreeSet;
use std::path::Path;

use super::unpack::{open, read_all};
use super::{DataSet, Schema, Split, TargetSchema, Targets};
use crate::error::{Error, count};
use crate::model::{ModelInfo, TargetInfo};

/// How to cut a text into samples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TextOptions {
    /// Characters from one window to the next; `None` for windows that do not overlap.
    pub stride: Option<usize>,
    /// Share of the characters to train on, above 0 and at most 1; those behind them are the test.
    pub train: f64,
    /// Share of those to train on that is validated on instead, at least 0 and below 1: their end.
    pub validation: f64,
}

/// The characters that a model knows, in the order of their tokens.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Vocabulary(Vec<char>);

impl Vocabulary {
    /// The characters of a text.
    ///
    /// ```
    /// use nnc_runtime::data::text::Vocabulary;
    ///
    /// let vocabulary = Vocabulary::of("banana\n");
    /// assert_eq!(vocabulary.chars(), ['\n', 'a', 'b', 'n']);
    /// assert_eq!(vocabulary.tokens("ban"), Ok(vec![2, 1, 3]));
    /// assert_eq!(vocabulary.tokens("bane"), Err((3, 'e')));
    /// ```
    pub fn of(text: &str) -> Self {
        Self(text.chars().collect::<BTreeSet<char>>().into_iter().collect())
    }

    /// The characters that training left with the weights: class names of one character each.
    pub fn of_classes(classes: &[String]) -> Option<Self> {
        let only = |name: &String| {
            let mut chars = name.chars();
            chars.next().filter(|_| chars.next().is_none())
        };
        let chars: Option<Vec<char>> = classes.iter().map(only).collect();
        chars.filter(|chars| !chars.is_empty() && chars.is_sorted()).map(Self)
    }

    /// The characters, in order.
    pub fn chars(&self) -> &[char] {
        &self.0
    }

    /// The tokens of a text.
    ///
    /// # Errors
    /// Place and character of the first that is not in the vocabulary.
    pub fn tokens(&self, text: &str) -> Result<Vec<u32>, (usize, char)> {
        let token = |(place, char): (usize, char)| {
            let found = self.0.binary_search(&char).map_err(|_| (place, char))?;
            Ok(u32::try_from(found).unwrap_or(u32::MAX))
        };
        text.chars().enumerate().map(token).collect()
    }
}

/// Reads a text: samples to train on, and those of the other parts if there are any. `test` is a text of its own.
///
/// # Errors
/// E0205 when a share is out of range, E0414 when a file cannot be read, E0415 when it is not UTF-8, E0416 when the model is not one of characters, has too
/// few tokens, or a part is shorter than a window and the character behind it, or has a character in the test that
/// training never saw.
pub fn read(
    path: &Path,
    test: Option<&Path>,
    options: &TextOptions,
    info: &ModelInfo,
) -> Result<Split, Error> {
    check_model(info)?;
    check_shares(options)?;
    let text = text_of(path)?;
    let vocabulary = Vocabulary::of(&text);
    check_vocabulary(&vocabulary, info).map_err(|error| error.at(path))?;
    let tokens = known(&vocabulary, &text, path)?;
    let is_cut = test.is_none() && options.train < 1.0;
    let cut = if is_cut { (tokens.len() as f64 * options.train).round() as usize } else { tokens.len() };
    let (train, rest) = tokens.split_at(cut.min(tokens.len()));
    let held_out = (train.len() as f64 * options.validation).round() as usize;
    let (train, validation) = train.split_at(train.len().saturating_sub(held_out));
    let window =
        |tokens: &[u32], path: &Path, part: &str| windows(tokens, path, part, options, info, &vocabulary);
    let train = window(train, path, "the part to train on")?;
    let validation = match options.validation {
        0.0 => None,
        _ => Some(window(validation, path, "the validation part")?),
    };
    let test = match test {
        Some(test) => Some(window(&known(&vocabulary, &text_of(test)?, test)?, test, "the test")?),
        None if is_cut => Some(window(rest, path, "the test")?),
        None => None,
    };
    Ok(Split { train, validation, test })
}

fn check_shares(options: &TextOptions) -> Result<(), Error> {
    let (train, validation) = (options.train, options.validation);
    if train > 0.0 && train <= 1.0 && (0.0..1.0).contains(&validation) {
        return Ok(());
    }
    let message = format!(
        "expected a share above 0 and at most 1 to train on, and of that one from 0 and below 1 to validate on, found {train} and {validation}"
    );
    Err(Error::new("E0205", message))
}

/// The text of a file, gzipped or not.
///
/// # Errors
/// E0414 when it cannot be read, E0415 when it is not UTF-8.
pub fn text_of(path: impl AsRef<Path>) -> Result<String, Error> {
    let path = path.as_ref();
    let bytes = read_all(path, open(path)?)?;
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Error::new("E0415", format!("`{}` is not UTF-8: byte {at} belongs to no character", path.display()))
            .at(path)
            .help("convert it, for example with `iconv -t utf-8`")
    })
}

fn known(vocabulary: &Vocabulary, text: &str, path: &Path) -> Result<Vec<u32>, Error> {
    vocabulary.tokens(text).map_err(|(place, char)| {
        let line = text.chars().take(place).filter(|char| *char == '\n').count() + 1;
        Error::new("E0416", format!("character {char:?} in line {line} is not in the vocabulary"))
            .at(path)
            .help("the vocabulary are the characters of the text to train on")
    })
}

/// Whether a model reads tokens and is compared with tokens.
fn check_model(info: &ModelInfo) -> Result<(), Error> {
    let wrong = |message: String, help: &str| Err(Error::new("E0416", message).help(help));
    let positions = info.input_len();
    if info.tokens().is_none() {
        let message = format!("model `{}` does not read tokens, which characters of a text are", info.name);
        return wrong(message, "let an `embedding` follow the input");
    }
    match info.target() {
        Some(TargetInfo::Positions { positions: found, .. }) if found == positions => Ok(()),
        Some(TargetInfo::Class { .. }) => Ok(()),
        Some(TargetInfo::Positions { positions: found, .. }) => {
            let message = format!(
                "model `{}` reads {} and is compared with classes at {found}",
                info.name,
                count(positions, "position")
            );
            wrong(message, "every position of a text is compared with the character behind it")
        }
        _ => {
            let message = format!("model `{}` is not compared with the tokens that come next", info.name);
            wrong(message, "end it with `dense(vocabulary)` and `loss cross_entropy`")
        }
    }
}

fn check_vocabulary(vocabulary: &Vocabulary, info: &ModelInfo) -> Result<(), Error> {
    let found = vocabulary.chars().len();
    let classes = info.target().and_then(TargetInfo::classes).unwrap_or(0);
    let room = info.tokens().unwrap_or(0).min(classes);
    if found <= room {
        return Ok(());
    }
    let message =
        format!("the text has {}, model `{}` knows {room}", count(found, "different character"), info.name);
    Err(Error::new("E0416", message).help(format!("give `embedding` and the last layer {found} tokens")))
}

/// Windows of a part of a text.
fn windows(
    tokens: &[u32],
    path: &Path,
    part: &str,
    options: &TextOptions,
    info: &ModelInfo,
    vocabulary: &Vocabulary,
) -> Result<DataSet, Error> {
    let len = info.input_len();
    if tokens.len() <= len {
        let message = format!(
            "{part} has {}, a sample needs {len} and the one behind them",
            count(tokens.len(), "character")
        );
        return Err(Error::new("E0416", message).at(path).help("take a longer text, or a shorter `input`"));
    }
    let is_every = matches!(info.target(), Some(TargetInfo::Positions { .. }));
    let (mut inputs, mut targets) = (Vec::new(), Vec::new());
    for start in (0..tokens.len() - len).step_by(options.stride.unwrap_or(len).max(1)) {
        let (Some(window), Some(next)) =
            (tokens.get(start..start + len), tokens.get(start + 1..start + len + 1))
        else {
            break;
        };
        inputs.extend(window.iter().map(|token| *token as f32));
        targets.extend(if is_every { next } else { next.get(len - 1..).unwrap_or_default() });
    }
    let targets = if is_every { Targets::Positions(targets, len) } else { Targets::Classes(targets) };
    let classes = vocabulary.chars().iter().map(char::to_string).collect();
    let schema =
        Schema { features: Vec::new(), targets: vec![TargetSchema { columns: Vec::new(), classes }] };
    Ok(DataSet { source: path.display().to_string(), schema, ..DataSet::from_rows(inputs, len, targets)? })
}
