//! `nnc sweep`.

mod common;

use common::{Folder, MODEL, ROWS, Ran};

/// Without rustc: the runs are small.
fn sweep(folder: &Folder, more: &[&str]) -> Ran {
    let first = ["sweep", "small.nn", "--engine", "reference", "--seeds", "1,2"];
    folder.run(&[&first, more].concat())
}

#[track_caller]
fn assert_is_svg(text: &str) {
    assert!(text.starts_with("<svg ") && text.trim_end().ends_with("</svg>"), "{text}");
    assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
}

#[test]
fn every_combination_is_trained_with_every_seed() {
    let folder = Folder::small();
    let set = ["--set", "lr=0.1,0.01", "--set", "optimizer=sgd(lr = 1),momentum(lr = 1, beta = 0.5)"];
    let ran = sweep(&folder, &[&set[..], &["--message-format", "json"]].concat()).ok();
    let events = ran.events();
    let runs: Vec<_> = events.iter().filter(|event| event["event"] == "run").collect();
    assert_eq!(runs.len(), 8, "{ran}");
    let labels: Vec<_> = events.iter().filter(|event| event["event"] == "setting").collect();
    let labels: Vec<_> = labels.iter().map(|event| event["label"].as_str().unwrap()).collect();
    let expected = [
        "lr = 0.1, sgd(lr = 1)",
        "lr = 0.1, momentum(lr = 1, beta = 0.5)",
        "lr = 0.01, sgd(lr = 1)",
        "lr = 0.01, momentum(lr = 1, beta = 0.5)",
    ];
    assert_eq!(labels, expected);
    assert_is_svg(&folder.text("small-sweep.svg"));
    assert_eq!(folder.files(), ["rows.csv", "small-sweep.csv", "small-sweep.svg", "small.nn"]);
    let table = folder.text("small-sweep.csv");
    assert!(table.starts_with("lr,optimizer,seed,epoch,layer,figure,value\n"), "{table}");
    let quoted = "0.01,\"momentum(lr = 1, beta = 0.5)\",2,2,,loss,";
    assert_eq!(table.lines().filter(|line| line.starts_with(quoted)).count(), 1, "{table}");
}

#[test]
fn the_result_does_not_depend_on_how_many_run_at_once() {
    let (one, three) = (Folder::small(), Folder::small());
    for (folder, jobs) in [(&one, "1"), (&three, "3")] {
        sweep(folder, &["--set", "lr=0.3,0.1,0.01", "--jobs", jobs]).ok();
    }
    assert_eq!(one.text("small-sweep.svg"), three.text("small-sweep.svg"));
    let figures = |folder: &Folder| {
        let text = folder.text("small-sweep.csv");
        let lines = text.lines().filter(|line| !line.contains("seconds"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(figures(&one), figures(&three));
}

#[test]
fn a_run_is_that_of_train() {
    let folder = Folder::small();
    let swept = sweep(&folder, &["--set", "lr=0.05", "--message-format", "json"]).ok().events();
    let swept = swept.iter().find(|event| event["event"] == "run" && event["seed"] == 2).unwrap();
    let train = ["train", "small.nn", "--engine", "reference", "--set", "lr=0.05", "--seed", "2"];
    let trained = folder.run(&[&train[..], &["--message-format", "json"]].concat()).ok().event("finished");
    for figure in ["loss", "test_loss", "test_accuracy"] {
        assert_eq!(swept[figure], trained[figure], "{figure}");
    }
}

#[test]
fn the_best_setting_is_marked() {
    let ran = sweep(&Folder::small(), &["--set", "lr=0.00001,0.05", "--epochs", "30"]).ok();
    let starred: Vec<&str> = ran.out.lines().filter(|line| line.starts_with("* lr")).collect();
    assert_eq!(starred.len(), 1, "{ran}");
    assert!(starred[0].starts_with("* lr = 0.05") && starred[0].contains(" ± "), "{ran}");
}

#[test]
fn a_run_that_fails_is_a_row_that_says_so() {
    let folder = Folder::small();
    let set = "optimizer=sgd(lr = 1e30),adam(lr = 0.01)";
    let ran = sweep(&folder, &["--set", set, "--epochs", "5"]).ok();
    ran.shows("2 of 2 runs failed: the loss is ").shows("* adam(lr = 0.01)");
    assert!(folder.text("small-sweep.csv").contains(",failed,"));
    assert_is_svg(&folder.text("small-sweep.svg"));
}

#[test]
fn when_all_runs_fail_the_sweep_does() {
    let folder = Folder::small();
    let ran = sweep(&folder, &["--set", "optimizer=sgd(lr = 1e30)", "--epochs", "5"]);
    ran.is_error("E0412");
    ran.says("no run of the sweep came to an end");
}

#[test]
fn pictures_show_what_was_asked_for() {
    let folder = Folder::small();
    for (plot, text) in [
        ("loss", ">Training loss<"),
        ("validation", ">Test loss<"),
        ("accuracy", ">Accuracy of the test rows<"),
        ("activations", ">head<"),
        ("gradients", ">Size of the gradient by layer, before training<"),
    ] {
        let out = format!("{plot}.svg");
        sweep(&folder, &["--set", "lr=0.1,0.01", "--plot", plot, "--out", &out]).ok();
        let svg = folder.text(&out);
        assert_is_svg(&svg);
        for text in [text, ">lr = 0.1<", ">lr = 0.01<"] {
            assert!(svg.contains(text), "{plot}: {text}\n{svg}");
        }
    }
    assert!(folder.text("activations.csv").contains("0.1,1,0,hidden,activation_std,"));
    assert!(folder.text("gradients.csv").contains("0.1,1,0,head,gradient_rms,"));
}

const LINE: &str = "model Line {
    input [1]
    line: dense(1, init = constant(value = -1), bias_init = constant(value = 3))
    loss mse
    optimizer sgd(lr = 0.05)
}
data { csv \"line.csv\" target y split 1 }
train { epochs 30 batch 5 }
";

#[test]
fn a_path_is_drawn_over_the_loss() {
    let rows = "x,y\n0,1\n1,2\n2,3\n3,4\n4,5\n";
    let folder = Folder::new().with("small.nn", LINE).with("line.csv", rows);
    let set = ["--set", "optimizer=sgd(lr = 0.05),adam(lr = 0.3)"];
    sweep(&folder, &[&set[..], &["--plot", "path=line.weight,line.bias"]].concat()).ok();
    let svg = folder.text("small-sweep.svg");
    assert_is_svg(&svg);
    for text in [">start<", ">end<", ">line.weight<", ">line.bias<", ">adam(lr = 0.3)<"] {
        assert!(svg.contains(text), "{text}\n{svg}");
    }
    let table = folder.text("small-sweep.csv");
    assert!(table.contains("sgd(lr = 0.05),1,0,,path_x,-1\n"), "where it began\n{table}");
    sweep(&folder, &["--plot", "path=line.weight,line.size"]).is_error("E0205");
    Folder::small().fails(&["sweep", "small.nn", "--plot", "path=hidden.weight,hidden.bias"], "E0205");
}

#[test]
fn what_is_wrong_is_said_before_the_first_run() {
    let folder = Folder::small();
    let fails = |more: &[&str], code: &str| {
        folder.fails(&[&["sweep", "small.nn", "--engine", "reference"], more].concat(), code)
    };
    fails(&["--set", "lr=0.1,-1"], "E0205").says("setting lr:");
    fails(&["--set", "optimizer=sgd,adamm"], "E0212").says("adam");
    fails(&["--set", "lrr=1"], "E0218").says("`lr`");
    fails(&["--set", "lr=0.1,,1"], "E0205");
    fails(&["--set", "lr=1", "--set", "lr=2"], "E0205");
    fails(&["--seeds", "1,1"], "E0205");
    fails(&["--out", "nowhere/x.svg"], "E0417");
    let slow = ["--set", "optimizer=sgd(lr = cosine(0.1)),sgd(lr = cosine(0.1, warmup = 2))"];
    fails(&[&slow[..], &["--epochs", "1"]].concat(), "E0420").says("the 1 that `--epochs` says");
    let whole = MODEL.replace("split 0.75", "split 1");
    let folder = Folder::new().with("small.nn", whole).with("rows.csv", ROWS);
    folder.fails(&["sweep", "small.nn", "--plot", "validation"], "E0416").says("validation 0.2");
    let ran = folder.run(&["sweep", "small.nn", "--plot", "losses"]);
    assert_eq!(ran.code, Some(2), "{ran}");
}

#[test]
fn settings_from_outside_work_for_train_as_well() {
    let folder = Folder::small();
    let train = |set: &str| {
        let train = ["train", "small.nn", "--engine", "reference", "--message-format", "json", "--set", set];
        folder.run(&train).ok().event("finished")
    };
    assert_eq!(train("epochs=3")["epochs"], 3);
    assert_ne!(train("lr=0.1")["loss"], train("lr=0.001")["loss"]);
    assert_ne!(train("optimizer=sgd(lr = 0.1)")["loss"], train("lr=0.001")["loss"]);
    folder.run(&["check", "small.nn", "--set", "loss=mse"]).ok();
}
