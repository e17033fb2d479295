//! `nnc generate`: text from a model of characters.

use std::path::Path;

use nnc_runtime::Rng;
use nnc_runtime::data::Schema;
use nnc_runtime::outputs::{argmax, softmax};

use crate::arguments::Run;
use crate::engine::Unless;
use crate::next::Next;
use crate::output::{Object, Output, print};
use crate::session::{Prepared, default_weights};
use crate::source::Failure;

/// Random numbers of this stream choose characters.
const STREAM: u64 = 0x6765_6e65_0000_0000;

/// How characters are chosen.
#[derive(Debug, Clone, Copy)]
pub struct Draw {
    /// How many.
    pub length: usize,
    /// What scores are divided by; 0 takes the greatest.
    pub temperature: f64,
}

/// Writes the prompt and what the model makes of it.
pub fn run(
    run: &Run,
    weights: Option<&Path>,
    prompt: Option<&str>,
    draw: Draw,
    output: &Output,
) -> Result<(), Failure> {
    let prepared = Prepared::new(run, None, output, |_| Ok(()))?;
    let mut session = prepared.start(run, Unless::Cores, output)?;
    let metadata =
        session.load_weights(weights.map_or_else(|| default_weights(run), Path::to_path_buf).as_path())?;
    let info = *session.network.info();
    let mut next = Next::new(&session.model, &info, &Schema::from_metadata(&metadata))?;
    let prompt = match prompt.filter(|prompt| !prompt.is_empty()) {
        Some(prompt) => prompt.to_owned(),
        None => next.chars().first().map(char::to_string).unwrap_or_default(),
    };
    let mut tokens = next.tokens(&prompt, "the prompt")?;
    let rng = Rng::new(run.seed.unwrap_or(session.model.program.train.seed), STREAM);
    let is_probability = next.is_probability;
    // People read along; a program gets it whole.
    let shows = |text: &str| {
        if !output.is_json() {
            print(text);
        }
    };
    let mut text = prompt.clone();
    shows(&text);
    for index in 0..draw.length {
        let scores = next.scores(&*session.network, &tokens)?;
        let token = choose(scores, is_probability, draw.temperature, rng.uniform(index as u64));
        tokens.push(u32::try_from(token).unwrap_or(0));
        let made = next.chars().get(token).map(char::to_string).unwrap_or_default();
        shows(&made);
        text.push_str(&made);
    }
    shows("\n");
    output.event(Object::event("generated").text("prompt", &prompt).text("text", &text));
    Ok(())
}

/// A token by its score, given a number from 0 to 1.
fn choose(scores: &[f32], is_probability: bool, temperature: f64, uniform: f64) -> usize {
    if temperature == 0.0 {
        return argmax(scores);
    }
    let score = |score: &f32| if is_probability { score.ln() } else { *score } / temperature as f32;
    let mut shares: Vec<f32> = scores.iter().map(score).collect();
    softmax(&mut shares);
    let mut left = uniform;
    for (token, share) in shares.iter().enumerate() {
        left -= f64::from(*share);
        if left < 0.0 {
            return token;
        }
    }
    // Rounding may leave a little.
    argmax(scores)
}

#[cfg(test)]
mod tests {
    use super::choose;

    #[test]
    fn shares_are_those_of_the_softmax_of_the_scores() {
        let scores = [0.0, (3.0f32).ln(), f32::NEG_INFINITY];
        let count = (0..1000).filter(|n| choose(&scores, false, 1.0, f64::from(*n) / 1000.0) == 1).count();
        assert_eq!(count, 750);
        // Probabilities are their own shares; colder draws take the likelier more often.
        let colder =
            (0..1000).filter(|n| choose(&[0.25, 0.75], true, 0.5, f64::from(*n) / 1000.0) == 1).count();
        assert_eq!(colder, 900);
        assert_eq!(choose(&scores, false, 0.0, 0.999), 1);
        assert_eq!(choose(&[1.0, 1.0], false, 1.0, 1.0), 0);
    }
}
