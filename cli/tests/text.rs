//! A model of characters: trained on a text, measured on its end, and asked for more.

mod common;

use common::Folder;

const NEXT: &str = r#"model Next {
    input tokens: [8]
    embedding(6, 8)
    gru(16)
    head: dense(6)
    loss cross_entropy
    optimizer adam(lr = 0.02)
    metrics accuracy
}

data {
    text "text.txt"
    split 0.8
    stride 3
}

train {
    epochs 30
    batch 8
    seed 2
}
"#;

fn folder() -> Folder {
    Folder::new().with("next.nn", NEXT).with("text.txt", "abcdef".repeat(60))
}

#[test]
fn a_model_of_characters_goes_on_from_a_prompt() {
    let folder = folder();
    let trained = folder.run(&["train", "next.nn", "--message-format", "json"]).ok().event("finished");
    assert!(trained["test_accuracy"].as_f64().is_some_and(|share| share > 0.8), "{trained}");
    let evaluated = folder.run(&["eval", "next.nn", "--message-format", "json"]).ok().event("evaluated");
    assert_eq!(evaluated["accuracy"], trained["test_accuracy"]);

    let text = |arguments: &[&str]| {
        let all: Vec<&str> =
            ["generate", "next.nn", "--length", "12"].iter().chain(arguments).copied().collect();
        folder.run(&all).ok().out
    };
    assert_eq!(text(&["--prompt", "cd", "--temperature", "0"]), "cdefabcdefabcd\n");
    // The vocabulary's first character, where there is no prompt.
    assert!(text(&["--temperature", "0"]).starts_with('a'));
    // A prompt longer than the context; the same seed, the same text; another, another.
    assert!(text(&["--prompt", "abcdefabcdefab", "--temperature", "0"]).starts_with("abcdefabcdefabcd"));
    let hot = |seed: &str| text(&["--prompt", "a", "--temperature", "9", "--seed", seed]);
    assert_eq!(hot("3"), hot("3"));
    assert_ne!(hot("3"), hot("4"));
    folder
        .fails(&["generate", "next.nn", "--prompt", "axe"], "E0416")
        .says("character 2 of the prompt, 'x'")
        .says("abcdef");
}

#[test]
fn what_cannot_be_cut_or_made_is_told() {
    let folder = folder().with("text.txt", "a");
    folder.fails(&["train", "next.nn"], "E0416").says("has 1 character").says("a sample needs 8");
    let folder = folder.with("text.txt", "abcdefg".repeat(20));
    folder.fails(&["train", "next.nn"], "E0416").says("7 different characters").says("knows 6");
    let folder = folder.with("next.nn", NEXT.replace("stride 3", "target a"));
    folder.fails(&["check", "next.nn"], "E0216").says("target");
}
