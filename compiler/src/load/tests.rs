//! Files that use each other: what is seen, what is read, and what is said when it does not work.

use nnc_grammar::diagnostic::Severity;

use super::*;
use crate::compile::{Compilation, Options, compile_with};

const BENT: &str = "activation bent(x) = if x > 0 { x } else { 0.3 * x }";

/// Compiles the first file, which uses the others.
fn compiled(files: &[(&str, &str)]) -> Compilation {
    let (name, text) = files.first().copied().unwrap_or_default();
    let mut texts = Texts::new(name);
    for (name, text) in files {
        texts.add(name, text);
    }
    compile_with(name, text, &Options::default(), &mut texts)
}

/// Code, place and text at the place of all that is said.
fn faults(files: &[(&str, &str)]) -> Vec<(Code, String, String)> {
    let compilation = compiled(files);
    let fault = |fault: &Diagnostic| {
        let (sources, span) = (&compilation.sources, fault.primary.span);
        (fault.code, sources.place(span), sources.text(span).to_owned())
    };
    compilation.diagnostics.iter().map(fault).collect()
}

fn fault(code: Code, place: &str, text: &str) -> (Code, String, String) {
    (code, place.to_owned(), text.to_owned())
}

fn net(uses: &str, stage: &str) -> String {
    format!("{uses} model Net {{ input [4] dense(3) -> {stage} }}")
}

#[test]
fn paths_are_relative_to_the_file_that_uses_them() {
    for (from, path, expected) in [
        ("net.nn", "bent.nn", "bent.nn"),
        ("models/net.nn", "bent.nn", "models/bent.nn"),
        ("models/net.nn", "./lib//bent.nn", "models/lib/bent.nn"),
        ("models/net.nn", "../shared/bent.nn", "shared/bent.nn"),
        ("net.nn", "../bent.nn", "../bent.nn"),
        ("../net.nn", "../bent.nn", "../../bent.nn"),
        ("/models/net.nn", "../bent.nn", "/bent.nn"),
        ("models/net.nn", "/shared/bent.nn", "/shared/bent.nn"),
        ("", "bent.nn", "bent.nn"),
    ] {
        assert_eq!(relative(from, path), expected, "{path} in {from}");
    }
}

#[test]
fn definitions_of_every_kind_are_taken_as_if_written_here() {
    let definitions = "
        activation bent(x, slope = 0.3) = if x > 0 { x } else { slope * x }
        loss quartic(output, target) = mean((output - target)^4)
        optimizer plain(lr) { weight = weight - lr * gradient }
        init narrow = normal(std = 2 / fan_in)
        schedule falling(start) = start / (1 + step)
        block pair(units) { dense(units, init = narrow) -> bent }
    ";
    let model = "
        model Net { input [4] pair(8) dense(1) -> bent(slope = 0.1)
            loss quartic optimizer plain(lr = falling(0.1)) }
    ";
    let used = compiled(&[("net.nn", &format!("use \"lib.nn\" {model}")), ("lib.nn", definitions)]);
    assert_eq!(used.diagnostics, []);
    let written = compiled(&[("net.nn", &format!("{definitions} {model}"))]);
    let program = |compilation: &Compilation| {
        compilation.models.iter().map(|model| model.program.to_string()).collect::<String>()
    };
    assert_eq!(program(&used), program(&written));
}

#[test]
fn models_data_and_training_of_a_used_file_stay_there() {
    let other =
        format!("{BENT} model Other {{ input [2] nonsense }} data {{ nonsense 3 }} train {{ epochs 3 }}");
    let compilation = compiled(&[("net.nn", &net("use \"other.nn\"", "bent")), ("other.nn", other.as_str())]);
    assert_eq!(compilation.diagnostics, []);
    let names: Vec<&str> = compilation.models.iter().map(|model| model.info.name.as_str()).collect();
    assert_eq!(names, ["Net"]);
    assert!(compilation.models.iter().all(|model| model.program.train.epochs == 10));
}

#[test]
fn a_file_sees_what_the_files_that_it_uses_see_and_not_who_uses_it() {
    let files = |own: &'static str| {
        [
            ("net.nn", "use \"a.nn\" activation mine(x) = x + 1 model Net { input [4] outer mine bent }"),
            ("a.nn", own),
            ("lib/b.nn", "use \"../bent.nn\" activation inner(x) = bent(2 * x)"),
            ("bent.nn", BENT),
        ]
    };
    assert_eq!(faults(&files("use \"lib/b.nn\" activation outer(x) = inner(bent(x))")), []);
    let blind = "use \"lib/b.nn\" activation outer(x) = inner(x) + mine(x)";
    assert_eq!(faults(&files(blind)), [fault(Code::E0207, "a.nn:1:49", "mine")]);
}

#[test]
fn hiding_the_library_reaches_no_file_that_does_not_use_it() {
    let compilation = compiled(&[
        ("net.nn", "use \"a.nn\" activation relu(x) = 2 * x model Net { input [4] outer relu }"),
        ("a.nn", "block outer() { relu }"),
    ]);
    assert_eq!(compilation.diagnostics, []);
    let text: String = compilation.models.iter().map(|model| model.program.to_string()).collect();
    assert_eq!(text.matches("max(").count(), 1, "{text}");
}

/// A loader that counts what is read.
struct Counted(Texts, Vec<String>);

impl Loader for Counted {
    fn root(&self) -> String {
        self.0.root()
    }

    fn find(&mut self, path: &str, from: &str) -> Result<String, LoadFault> {
        self.0.find(path, from)
    }

    fn read(&mut self, file: &str) -> Result<String, LoadFault> {
        self.1.push(file.to_owned());
        self.0.read(file)
    }
}

#[test]
fn a_file_that_several_use_is_read_once() {
    let mut texts = Texts::new("net.nn");
    texts.add("a.nn", "use \"lib/bent.nn\" activation outer(x) = bent(x)");
    texts.add("lib/bent.nn", BENT);
    let mut counted = Counted(texts, Vec::new());
    let text = net("use \"a.nn\" use \"./lib/bent.nn\"", "outer -> bent");
    let compilation = compile_with("net.nn", &text, &Options::default(), &mut counted);
    assert_eq!(compilation.diagnostics, []);
    assert_eq!(counted.1, ["a.nn", "lib/bent.nn"]);
    assert_eq!(compilation.sources.files().filter(|(_, file)| file.name == "lib/bent.nn").count(), 1);
}

#[test]
fn a_file_that_is_not_there_is_told_with_the_one_that_is_meant() {
    let files = [("models/net.nn", net("use \"bant.nn\"", "bent")), ("models/bent.nn", BENT.to_owned())];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let compilation = compiled(&files);
    let [fault] = compilation.diagnostics.as_slice() else { panic!("{:?}", compilation.diagnostics) };
    assert_eq!((fault.code, fault.severity), (Code::E0414, Severity::Error));
    assert_eq!(fault.message, "cannot read `bant.nn`: no such file");
    assert_eq!(fault.primary.text, "tried `models/bant.nn`");
    assert_eq!(compilation.sources.text(fault.primary.span), "\"bant.nn\"");
    assert!(fault.help.iter().any(|help| help.contains("models/bent.nn")), "{:?}", fault.help);
}

#[test]
fn what_a_missing_file_may_define_is_not_told_as_missing() {
    let text = "use \"gone.nn\"
        model Net { input [4] dense(3, init = mine) -> bent loss my_loss optimizer mine(lr = 1) }";
    assert_eq!(faults(&[("net.nn", text)]), [fault(Code::E0414, "net.nn:1:5", "\"gone.nn\"")]);
    let wrong = format!("{text} model Other {{ input [4] dense }}");
    let codes: Vec<Code> = faults(&[("net.nn", &wrong)]).into_iter().map(|(code, ..)| code).collect();
    assert_eq!(codes, [Code::E0414, Code::E0203]);
}

#[test]
fn a_circle_is_shown_with_its_way() {
    let compilation = compiled(&[
        ("net.nn", &net("use \"a.nn\"", "bent")),
        ("a.nn", &format!("{BENT} use \"lib/b.nn\"")),
        ("lib/b.nn", "activation other(x) = x\nuse \"../a.nn\""),
    ]);
    let [fault] = compilation.diagnostics.as_slice() else { panic!("{:?}", compilation.diagnostics) };
    assert_eq!(fault.code, Code::E0222);
    assert_eq!(fault.message, "`a.nn` uses itself");
    assert_eq!(compilation.sources.place(fault.primary.span), "lib/b.nn:2:5");
    assert_eq!(fault.notes, ["`a.nn` uses `lib/b.nn` uses `a.nn`"]);
    let labels: Vec<(String, &str)> = fault
        .secondary
        .iter()
        .map(|label| (compilation.sources.place(label.span), label.text.as_str()))
        .collect();
    assert_eq!(labels, [("a.nn:1:54".to_owned(), "uses `lib/b.nn`")]);
}

#[test]
fn a_file_cannot_use_itself_or_the_one_that_is_compiled() {
    let itself = faults(&[("net.nn", &net("use \"./net.nn\"", "relu"))]);
    assert_eq!(itself, [fault(Code::E0222, "net.nn:1:5", "\"./net.nn\"")]);
    let other =
        faults(&[("net.nn", &net("use \"a.nn\"", "bent")), ("a.nn", &format!("use \"net.nn\" {BENT}"))]);
    assert_eq!(other, [fault(Code::E0222, "a.nn:1:5", "\"net.nn\"")]);
}

#[test]
fn a_chain_of_files_has_an_end() {
    let mut texts = Texts::new("0.nn");
    for n in 1..100 {
        texts.add(&format!("{n}.nn"), &format!("use \"{}.nn\" activation f{n}(x) = x", n + 1));
    }
    let text = net("use \"1.nn\"", "f1");
    let compilation = compile_with("0.nn", &text, &Options::default(), &mut texts);
    let codes: Vec<Code> = compilation.diagnostics.iter().map(|fault| fault.code).collect();
    assert_eq!(codes, [Code::E0502]);
}

#[test]
fn a_name_in_two_files_is_defined_twice() {
    let own = format!("use \"a.nn\" {BENT} model Net {{ input [4] dense(3) -> bent }}");
    let compilation = compiled(&[("net.nn", &own), ("a.nn", BENT)]);
    let [twice] = compilation.diagnostics.as_slice() else { panic!("{:?}", compilation.diagnostics) };
    assert_eq!(twice.code, Code::E0206);
    let places: Vec<String> = [&twice.primary]
        .into_iter()
        .chain(&twice.secondary)
        .map(|label| compilation.sources.place(label.span))
        .collect();
    assert_eq!(places, ["net.nn:1:23", "a.nn:1:12"]);
    let both = net("use \"a.nn\" use \"b.nn\"", "bent");
    let block = "block bent() { relu }";
    assert_eq!(
        faults(&[("net.nn", &both), ("a.nn", BENT), ("b.nn", block)]),
        [fault(Code::E0206, "b.nn:1:7", "bent")]
    );
}

#[test]
fn faults_of_a_used_file_point_into_it() {
    let uses = net("use \"a.nn\"", "bent");
    assert_eq!(
        faults(&[("net.nn", &uses), ("a.nn", "activation bent(x) =\n    rleu(x)")]),
        [fault(Code::E0207, "a.nn:2:5", "rleu")]
    );
    let broken = faults(&[("net.nn", &uses), ("a.nn", "activation bent(x) = x +")]);
    assert_eq!(broken.iter().map(|(code, ..)| *code).collect::<Vec<_>>(), [Code::E0101]);
    let empty = faults(&[("net.nn", &uses), ("a.nn", "")]);
    assert!(empty.contains(&fault(Code::E0102, "a.nn:1:1", "")), "{empty:?}");
}

#[test]
fn a_file_of_which_nothing_is_used_is_a_warning() {
    let text = net("use \"a.nn\" use \"b.nn\"", "bent");
    let others = "use \"c.nn\" activation other(x) = x";
    assert_eq!(
        faults(&[("net.nn", &text), ("a.nn", others), ("b.nn", BENT), ("c.nn", "init mine = zeros")]),
        [fault(Code::W0102, "net.nn:1:1", "use \"a.nn\"")]
    );
    let through = net("use \"a.nn\"", "bent");
    let others = "use \"b.nn\" activation other(x) = x";
    assert_eq!(faults(&[("net.nn", &through), ("a.nn", others), ("b.nn", BENT)]), []);
    let twice = net("use \"b.nn\" use \"./b.nn\"", "bent");
    assert_eq!(
        faults(&[("net.nn", &twice), ("b.nn", BENT)]),
        [fault(Code::W0102, "net.nn:1:12", "use \"./b.nn\"")]
    );
}

#[test]
fn without_a_loader_no_file_is_read() {
    let compilation = crate::compile("net.nn", &net("use \"a.nn\"", "bent"), &Options::default());
    let messages: Vec<&str> = compilation.diagnostics.iter().map(|fault| fault.message.as_str()).collect();
    assert_eq!(messages, ["cannot read `a.nn`: no other file can be read here"]);
}

// ---- Imported models ------------------------------------------------------------------------------------------------

const BASE: &str = "activation bent(x) = if x > 0 { x } else { 0.3 * x }
    model Base(width = 8) {
        input x: [4]
        hidden: dense(width) -> bent
        let skip = x
        frozen { middle: dense(5) }
        head: dense(3)
        loss cross_entropy
        optimizer adam(lr = 0.01)
        metrics accuracy
    }
    data { csv \"base.csv\" target kind }
    train { epochs 90 }";

/// Layers with the shapes of their parameters, of the model `Net` that imports [`BASE`].
fn layers(head: &str, body: &str) -> Vec<String> {
    let text = format!("import Base from \"base.nn\" {head} model Net {{ input [4] {body} }}");
    let compilation = compiled(&[("net.nn", &text), ("base.nn", BASE)]);
    assert!(compilation.diagnostics.is_empty(), "{body}: {:#?}", compilation.diagnostics);
    let [model] = compilation.models.as_slice() else { panic!("one model") };
    assert_eq!(model.program.train.epochs, 10, "`train` of the imported file is its own");
    let tensors = model.info.tensors.iter();
    tensors.filter(|tensor| tensor.shape.len() > 1).map(|t| format!("{} {:?}", t.name, t.shape)).collect()
}

#[test]
fn a_whole_model_a_beginning_and_one_layer_are_stages() {
    let weights = "weights \"base.safetensors\"";
    assert_eq!(
        layers(weights, "Base -> dense(2)"),
        [
            "Base.hidden.weight [8, 4]",
            "Base.middle.weight [5, 8]",
            "Base.head.weight [3, 5]",
            "dense.weight [2, 3]"
        ]
    );
    assert_eq!(
        layers(weights, "frozen { Base(until = head) } head: dense(2)"),
        ["Base.hidden.weight [8, 4]", "Base.middle.weight [5, 8]", "head.weight [2, 5]"]
    );
    assert_eq!(layers("", "Base(until = middle, width = 6)"), ["Base.hidden.weight [6, 4]"]);
    assert_eq!(
        layers("", "dense(9) -> Base(only = middle)"),
        ["dense.weight [9, 4]", "Base.middle.weight [5, 9]"]
    );
    assert_eq!(
        layers("", "trunk: Base(until = middle, width = 4) Base(until = middle)"),
        ["trunk.hidden.weight [4, 4]", "Base_2.hidden.weight [8, 4]"]
    );
    assert_eq!(
        layers("", "two(6) } block two(n) { Base(width = n, until = middle)"),
        ["two.Base.hidden.weight [6, 4]"]
    );
}

#[test]
fn a_model_ends_before_a_layer_wherever_it_stands() {
    let base = "model Base {
        input x: [4]
        let code = stem: dense(5) -> squeeze: dense(2) -> tanh
        let left = code -> frozen { widen: dense(6) -> tail: dense(3) }
        branch { dense(7) } { dense(8) } -> join: concat
        output left
    }";
    let width = |part: &str| {
        let text =
            format!("import Base from \"base.nn\" model Net {{ input [4] Base({part}) -> last: dense(1) }}");
        let compilation = compiled(&[("net.nn", &text), ("base.nn", base)]);
        let tensors = compilation.models.first().map(|model| model.info.tensors.clone()).unwrap_or_default();
        let last = tensors.iter().find(|tensor| tensor.name == "last.weight");
        last.map(|tensor| tensor.shape.clone()).unwrap_or_else(|| panic!("{:#?}", compilation.diagnostics))
    };
    assert_eq!(width("until = stem"), [1, 4]);
    assert_eq!(width("until = squeeze"), [1, 5]);
    assert_eq!(width("until = widen"), [1, 2]);
    assert_eq!(width("until = tail"), [1, 6]);
    assert_eq!(width("only = widen"), [1, 6]);
    assert_eq!(width(""), [1, 3]);
    // Branches that are not put together yet are no value.
    let text = "import Base from \"base.nn\" model Net { input [4] Base(until = join) -> dense(1) }";
    assert!(faults(&[("net.nn", text), ("base.nn", base)]).iter().any(|fault| fault.0 == Code::E0302));
}

#[test]
fn what_is_imported_says_where_its_weights_are() {
    let outer = "import Middle from \"lib/middle.nn\" weights \"m.safetensors\"
        import Bare from \"lib/middle.nn\"
        model Net { input [4] frozen { Middle } Bare -> dense(2) }";
    let middle = "import Base from \"base.nn\" weights \"base.safetensors\"
        model Middle { input [4] frozen { Base(until = head) } dense(4) }";
    let compilation =
        compiled(&[("models/net.nn", outer), ("models/lib/middle.nn", middle), ("models/lib/base.nn", BASE)]);
    assert!(compilation.diagnostics.is_empty(), "{:#?}", compilation.diagnostics);
    let program = &compilation.models.first().expect("a model").program;
    let weights: Vec<(String, Option<(String, String)>)> = program
        .imports
        .iter()
        .map(|import| {
            let weights = import.weights.as_ref();
            (import.prefix.clone(), weights.map(|weights| (weights.file.clone(), weights.path.clone())))
        })
        .collect();
    let from = |file: &str, path: &str| Some((file.to_owned(), path.to_owned()));
    assert_eq!(
        weights,
        [
            ("Middle.".to_owned(), from("models/net.nn", "m.safetensors")),
            // Among those of the model around it.
            ("Middle.Base.".to_owned(), None),
            ("Bare.".to_owned(), None),
            ("Bare.Base.".to_owned(), from("models/lib/middle.nn", "base.safetensors")),
        ]
    );
    let frozen = program.applications.iter().filter(|made| !made.trainable);
    let frozen: Vec<&str> = frozen.map(|made| made.layer.as_str()).collect();
    assert!(frozen.contains(&"Middle.dense") && frozen.contains(&"Bare.Base.hidden"), "{frozen:?}");
    assert!(!frozen.contains(&"Bare.dense"));
}

#[test]
fn definitions_of_an_imported_file_stay_there() {
    let bent = "activation bent(x) = if x > 0 { x } else { 0.1 * x }";
    let net = |stage: &str| {
        format!("import Base from \"base.nn\" {bent} model Net {{ input [4] Base -> {stage} }}")
    };
    assert!(faults(&[("net.nn", &net("bent")), ("base.nn", BASE)]).is_empty());
    let net = net("bent").replace(bent, "");
    assert_eq!(
        faults(&[("net.nn", &net), ("base.nn", BASE)]),
        [fault(Code::E0201, &format!("net.nn:1:{}", net.find("bent").unwrap_or(0) + 1), "bent")]
    );
}

#[test]
fn faults_of_imports_are_told_at_their_places() {
    let net = |import: &str, stage: &str| {
        format!(
            "import Base from \"{import}\"\nmodel Net {{ input [4]\n{stage}\nloss mse optimizer sgd(lr = 1) }}"
        )
    };
    let told = |stage: &str, base: &str| faults(&[("net.nn", &net("base.nn", stage)), ("base.nn", base)]);
    assert_eq!(told("Base(until = hed)", BASE), [fault(Code::E0230, "net.nn:3:14", "hed")]);
    assert_eq!(told("Base(only = head_2)", BASE), [fault(Code::E0230, "net.nn:3:13", "head_2")]);
    assert_eq!(told("Base(until = 3)", BASE), [fault(Code::E0204, "net.nn:3:14", "3")]);
    assert_eq!(
        told("Base(until = head, only = head)", BASE),
        [fault(Code::E0206, "net.nn:3:20", "only = head")]
    );
    assert_eq!(told("Base(size = 3)", BASE), [fault(Code::E0202, "net.nn:3:6", "size")]);
    assert_eq!(told("dense(5) -> Base", BASE), [fault(Code::E0320, "net.nn:3:13", "Base")]);
    assert_eq!(told("frozen { Base } dense(1)", BASE), [fault(Code::E0430, "net.nn:3:10", "Base")]);
    assert_eq!(told("Bose", BASE).first(), Some(&fault(Code::E0201, "net.nn:3:1", "Bose")));
    assert_eq!(
        told("Base", "model A { input [4] dense(1) } model B { input [4] dense(1) }"),
        [fault(Code::E0221, "net.nn:1:8", "Base")]
    );
    assert_eq!(told("Base", "init one = ones"), [fault(Code::E0221, "net.nn:1:8", "Base")]);
    assert_eq!(
        told("Base", "model Base { input a: [4] input b: [2] dense(1) }"),
        [fault(Code::E0501, "base.nn:1:27", "input b: [2]")]
    );
    assert_eq!(
        told("Base", "model Base { input [4] let a = dense(1) let b = dense(2) output a, b }"),
        [fault(Code::E0302, "net.nn:3:1", "Base")]
    );
    // What is wrong inside is told there, and what led to it.
    let broken = "model Base { input [4] rleu }";
    assert_eq!(told("Base", broken), [fault(Code::E0201, "base.nn:1:24", "rleu")]);
    let compilation = compiled(&[("net.nn", &net("base.nn", "Base")), ("base.nn", broken)]);
    let labels = compilation.diagnostics.first().map(|fault| fault.secondary.clone()).unwrap_or_default();
    assert_eq!(labels.first().map(|label| label.text.as_str()), Some("in this use of `Base`"));
    // Files that cannot be had.
    let text = net("bose.nn", "Base");
    assert_eq!(
        faults(&[("net.nn", &text), ("base.nn", BASE)]),
        [fault(Code::E0414, "net.nn:1:18", "\"bose.nn\"")]
    );
    let around = "import Net from \"net.nn\" model Base { input [4] Net }";
    assert_eq!(told("Base", around), [fault(Code::E0222, "base.nn:1:17", "\"net.nn\"")]);
}

#[test]
fn an_import_that_nothing_uses_is_told() {
    let text = "import Base from \"base.nn\" model Net { input [4] dense(1) }";
    assert_eq!(faults(&[("net.nn", text), ("base.nn", BASE)]), [fault(Code::W0102, "net.nn:1:8", "Base")]);
}
