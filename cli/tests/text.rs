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
fn what_comes_next_is_predicted() {
    let folder = folder();
    folder.run(&["train", "next.nn"]).ok();
    let answer = |arguments: &[&str]| {
        let all: Vec<&str> = ["predict", "next.nn"].iter().chain(arguments).copied().collect();
        folder.run(&all).ok().out
    };
    let prompted = answer(&["--prompt", "cd"]);
    let lines: Vec<Vec<&str>> = prompted.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(lines.len(), 2, "{prompted}");
    assert_eq!(lines[0], ["next", "p_a", "p_b", "p_c", "p_d", "p_e", "p_f"]);
    assert_eq!(lines[1][0], "e");
    let shares: Vec<f64> = lines[1][1..].iter().map(|share| share.parse().expect("a number")).collect();
    assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-5 && shares[4] > 0.5, "{shares:?}");
    // A file says the same, and the last eight characters alone count.
    let folder =
        folder.with("prompt.txt", "cd").with("long.txt", "fffabcdefab").with("short.txt", "abcdefab");
    let file = |name: &str| folder.run(&["predict", "next.nn", "--input", name]).ok().out;
    assert_eq!(file("prompt.txt"), prompted);
    assert_eq!(file("long.txt"), file("short.txt"));
    assert!(file("long.txt").contains("\nc,"), "{}", file("long.txt"));
    let mut command = folder.nnc(&["predict", "next.nn"]);
    command.stdin(std::fs::File::open(folder.path("prompt.txt")).expect("it is there"));
    assert_eq!(common::Ran::of(&mut command).ok().out, prompted);
    folder.fails(&["predict", "next.nn", "--prompt", "axe"], "E0416").says("character 2 of the prompt, 'x'");
    let folder = folder.with("empty.txt", "").with("bytes.txt", [b'a', 0xff]);
    folder.fails(&["predict", "next.nn", "--input", "empty.txt"], "E0416").says("0 of the 1 characters");
    folder.fails(&["predict", "next.nn", "--input", "bytes.txt"], "E0415").says("not UTF-8");
    folder.fails(&["predict", "next.nn", "--input", "none.txt"], "E0414");
}

#[test]
fn a_model_of_the_character_behind_a_window_needs_the_whole_window() {
    let one = NEXT.replace("gru(16)", "gru(16, output = last)").replace("stride 3", "stride 1");
    let folder = folder().with("next.nn", one);
    folder.run(&["train", "next.nn"]).ok();
    let predicted = folder.run(&["predict", "next.nn", "--prompt", "fabcdefab"]).ok().out;
    assert!(predicted.contains("\nc,"), "{predicted}");
    let made = ["generate", "next.nn", "--length", "6", "--temperature", "0", "--prompt", "abcdefab"];
    assert_eq!(folder.run(&made).ok().out, "abcdefabcdefab\n");
    let made = [&made[..], &["--message-format", "json"]].concat();
    let events = folder.run(&made).ok().events();
    let generated = events.iter().find(|event| event["event"] == "generated").expect("the event");
    assert_eq!((&generated["prompt"], &generated["text"]), (&"abcdefab".into(), &"abcdefabcdefab".into()));
    folder
        .fails(&["predict", "next.nn", "--prompt", "abc"], "E0416")
        .says("the prompt has 3 of the 8 characters");
}

#[test]
fn validation_is_the_end_of_what_is_trained_on() {
    // Of 360 characters 288 are not the test, and of them the last 29 are other than all before.
    let text = format!("{}{}{}", "abcdef".repeat(43), "a".repeat(30), "abcdef".repeat(12));
    let folder = folder()
        .with("text.txt", text)
        .with("next.nn", NEXT.replace("stride 3", "stride 1\n    validation 0.1"));
    let trained = folder.run(&["train", "next.nn", "--message-format", "json"]).ok();
    let epochs: Vec<_> = trained.events().into_iter().filter(|event| event["event"] == "epoch").collect();
    let last = |key: &str| epochs.last().and_then(|epoch| epoch[key].as_f64()).expect("a figure");
    // Windows drawn at random would be as easy as those of training.
    assert!(last("loss") < 0.3 && last("validation_loss") > 1.0, "{trained}");
}

#[test]
fn a_prompt_is_for_texts() {
    let folder = Folder::small();
    folder.run(&["train", "small.nn"]).ok();
    folder.fails(&["predict", "small.nn", "--prompt", "a"], "E0416").says("is no text").says("--input");
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
