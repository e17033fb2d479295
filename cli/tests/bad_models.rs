//! Models that are wrong: each has a code, a place and, where one is likely right, a remedy.

mod common;

use common::{Folder, MODEL, ROWS, Ran};

/// `nnc check` of a text.
#[track_caller]
fn check(text: &str, code: &str) -> Ran {
    let ran = Folder::new().with("m.nn", text).fails(&["check", "m.nn"], code);
    assert_eq!(ran.out, "", "what is wrong is no result\n{ran}");
    ran
}

/// `nnc check` of the small model with one word changed.
#[track_caller]
fn changed(from: &str, to: &str, code: &str) -> Ran {
    assert!(MODEL.contains(from));
    check(&MODEL.replacen(from, to, 1), code)
}

#[test]
fn an_empty_file() {
    check("", "E0102").says("m.nn:1:1");
    check("// nothing but a comment\n", "E0102");
}

#[test]
fn typos_are_answered_with_the_word_that_was_meant() {
    changed("dense(4)", "dence(4)", "E0201").says("m.nn:3:13").says("did you mean `dense`?");
    changed("-> relu", "-> rellu", "E0201").says("m.nn:3:25").says("did you mean `relu`?");
    changed("dense(4)", "dense(4, bais = false)", "E0202").says("did you mean `bias`?");
    changed("cross_entropy", "cross_entrpy", "E0211").says("did you mean `cross_entropy`?");
    changed("adam(", "adm(", "E0212").says("did you mean `adam`?");
    changed("adam(lr", "adam(rl", "E0202").says("did you mean `lr`?");
    changed("split 0.75", "splt 0.75", "E0209").says("did you mean `split`?");
    changed("epochs 2", "epoch 2", "E0209").says("did you mean `epochs`?");
}

#[test]
fn a_missing_input() {
    changed("input [2]", "", "E0210").says("m.nn:1:7").says("`input [4]`");
}

#[test]
fn sizes_that_are_no_sizes() {
    changed("dense(4)", "dense(0)", "E0205").says("m.nn:3:19").says("found `0`");
    changed("dense(4)", "dense(-3)", "E0205").says("found `-3`");
    changed("dense(4)", "dense(2.5)", "E0205");
    changed("input [2]", "input [0]", "E0301");
    changed("input [2]", "input [-2]", "E0301");
    changed("batch 4", "batch 0", "E0205");
    changed("epochs 2", "epochs -1", "E0205");
    changed("split 0.75", "split 1.5", "E0205");
}

#[test]
fn a_warm_up_longer_than_the_training() {
    let slow = MODEL.replace("lr = 0.01", "lr = cosine(0.01, warmup = 3)");
    check(&slow, "E0420")
        .says("m.nn:6:47")
        .says("expected at most 2 epochs, found `3`")
        .says("training ends here")
        .says("`warmup = 0.2`");
    let train = |text: &str, more: &[&str]| {
        let folder = Folder::new().with("m.nn", text).with("rows.csv", ROWS);
        folder.run(&[&["train", "m.nn", "--engine", "reference"], more].concat())
    };
    // Where the file says nothing, the command does.
    let open = slow.replace("epochs 2", "");
    train(&open, &["--epochs", "2"]).is_error("E0420");
    train(&open, &["--epochs", "2"]).says("warms up for 3 epochs, longer than the 2 that `--epochs` says");
    train(&open, &["--epochs", "3"]).ok();
    train(&open.replace("warmup = 3", "warmup = 20"), &[]).says("error[E0420]").says("longer than the 10");
    train(&open, &[]).ok();
}

#[test]
fn cross_entropy_of_one_output() {
    changed("dense(2)", "dense(1)", "E0305")
        .says("expected one output a class, found [1]")
        .says("`dense(2)`");
}

#[test]
fn brackets_ten_thousand_deep() {
    let deep = |open: &str, close: &str| {
        format!("model M {{ input [4] {}{} }}", open.repeat(10_000), close.repeat(10_000))
    };
    check(&deep("residual { ", "}"), "E0103");
    check(&deep("{", "}"), "E0103");
    check(&deep("{", ""), "E0103");
    check(&format!("activation a(x) = {}x{}", "(".repeat(10_000), ")".repeat(10_000)), "E0103");
}

#[test]
fn a_file_of_a_hundred_megabytes_is_not_read() {
    let folder = Folder::new();
    let file = std::fs::File::create(folder.path("m.nn")).expect("a file");
    file.set_len(100 << 20).expect("a sparse file");
    let started = std::time::Instant::now();
    for command in ["check", "fmt", "summary", "train"] {
        folder.fails(&[command, "m.nn"], "E0106").says("larger than 4 MiB");
    }
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}

#[test]
fn a_model_larger_than_any_memory() {
    let too_large = "dense(3000000) -> dense(3000000)";
    changed("dense(4)", too_large, "E0502").says("GiB").says("9000012000000 parameters");
    changed("dense(4)", "dense(18446744073709551615)", "E0205").says("is too large");
    check(&MODEL.replace("batch 4", "batch 1000000000").replace("dense(4)", "dense(64)"), "E0502")
        .says("batch 1000000000");
    // Nothing is made before it is known: not by the command that would run it either.
    let text = MODEL.replace("dense(4)", too_large);
    for command in ["train", "summary", "bench"] {
        Folder::new().with("m.nn", &text).fails(&[command, "m.nn"], "E0502");
    }
}

#[test]
fn what_is_no_text() {
    check("", "E0102");
    let folder = Folder::new().with("m.nn", b"model M {\n    input [\xff]\n}".as_slice());
    folder.fails(&["check", "m.nn"], "E0414").says("m.nn:2").says("not UTF-8");
    folder.fails(&["check", "none.nn"], "E0414").says("no such file");
    folder.fails(&["check", "."], "E0414").says("it is a folder");
}

#[test]
fn all_faults_are_told_in_order_and_once() {
    let text = MODEL.replace("dense(4) -> relu", "dence(4) -> rellu").replace("epochs", "epoch");
    let ran = check(&text, "E0201").says("error: 3 errors in m.nn");
    let places: Vec<&str> =
        ran.err.lines().filter_map(|line| line.trim_start().strip_prefix("--> ")).collect();
    assert_eq!(places, ["m.nn:3:13", "m.nn:3:25", "m.nn:16:5"]);
}

#[test]
fn what_later_versions_bring_is_told_apart_from_mistakes() {
    check(
        "cell c {\n    state h: [4] = 0\n    let x = input -> rnn(4)\n    h = x + h\n    output h\n}\n\nmodel M {\n    input [3, 4]\n    c\n}\n",
        "E0501",
    );
}

#[test]
fn a_model_without_what_training_needs() {
    let fails = |from: &str, to: &str, code: &str| {
        let text = MODEL.replacen(from, to, 1);
        Folder::new().with("m.nn", text).fails(&["train", "m.nn"], code)
    };
    fails("    loss cross_entropy\n    optimizer adam(lr = 0.01)\n", "", "E0401")
        .says("add `loss cross_entropy`");
    fails("    loss cross_entropy\n", "", "E0401").says("m.nn:");
    fails("    optimizer adam(lr = 0.01)\n", "", "E0402").says("`optimizer adam(lr = 0.001)`");
    let section = MODEL.split("data {").nth(1).and_then(|rest| rest.split('}').next()).expect("a section");
    fails(&format!("data {{{section}}}"), "", "E0403").says("add a section `data");
}

#[test]
fn a_file_of_several_models_or_none() {
    let two = "model A { input [2] dense(1) }\nmodel B { input [2] dense(1) }\n";
    let folder = Folder::new().with("m.nn", two).with("none.nn", "train { epochs 3 }\n");
    folder.fails(&["bench", "m.nn"], "E0220").says("`A`, `B`").says("--model A");
    folder.fails(&["bench", "m.nn", "--model", "C"], "E0221");
    folder.fails(&["check", "none.nn"], "E0221");
}

#[test]
fn the_largest_layers_there_can_be_are_too_large_together() {
    changed("dense(4)", "dense(1000000000) -> dense(1000000000)", "E0502").says("parameters");
    changed("dense(4)", "dense(4000000000) -> dense(4000000000)", "E0205").says("up to 1000000000");
}

#[test]
fn programs_are_told_what_training_lacks() {
    let text = MODEL.replace("    loss cross_entropy\n", "");
    let folder = Folder::new().with("m.nn", text);
    let ran = folder.run(&["train", "m.nn", "--message-format", "json"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(1), ""), "{ran}");
    let told = ran.event("diagnostic");
    assert_eq!((&told["code"], &told["file"]), (&"E0401".into(), &"m.nn".into()));
    assert_eq!(folder.files(), ["m.nn"]);
}
