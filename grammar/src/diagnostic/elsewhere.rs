//! What things are called elsewhere: names of PyTorch, Keras, scikit-learn and the literature that somebody writes out
//! of habit, and what is meant by them here.

/// A name elsewhere, in small letters without underscores, and names here. The first of them that is known at the place
/// is meant.
const NAMES: &[(&str, &[&str])] = &[
    // Layers.
    ("linear", &["dense"]),
    ("fc", &["dense"]),
    ("fullyconnected", &["dense"]),
    ("affine", &["dense"]),
    ("conv", &["conv2d"]),
    ("convolution", &["conv2d"]),
    ("convolution1d", &["conv1d"]),
    ("convolution2d", &["conv2d"]),
    ("conv2dtranspose", &["conv_transpose2d"]),
    ("convtranspose", &["conv_transpose2d"]),
    ("deconv", &["conv_transpose2d"]),
    ("deconv2d", &["conv_transpose2d"]),
    ("maxpool", &["max_pool2d"]),
    ("maxpooling", &["max_pool2d"]),
    ("maxpooling1d", &["max_pool1d"]),
    ("maxpooling2d", &["max_pool2d"]),
    ("avgpool", &["avg_pool2d"]),
    ("averagepooling1d", &["avg_pool1d"]),
    ("averagepooling2d", &["avg_pool2d"]),
    ("gap", &["global_avg_pool"]),
    ("globalaveragepooling", &["global_avg_pool"]),
    ("globalaveragepooling1d", &["global_avg_pool"]),
    ("globalaveragepooling2d", &["global_avg_pool"]),
    ("globalmaxpooling", &["global_max_pool"]),
    ("globalmaxpooling1d", &["global_max_pool"]),
    ("globalmaxpooling2d", &["global_max_pool"]),
    ("bn", &["batch_norm"]),
    ("batchnorm1d", &["batch_norm"]),
    ("batchnorm2d", &["batch_norm"]),
    ("batchnormalization", &["batch_norm"]),
    ("ln", &["log", "layer_norm"]),
    ("layernormalization", &["layer_norm"]),
    ("rmsnormalization", &["rms_norm"]),
    ("groupnormalization", &["group_norm"]),
    ("instancenorm1d", &["instance_norm"]),
    ("instancenorm2d", &["instance_norm"]),
    ("instancenormalization", &["instance_norm"]),
    ("dropout1d", &["spatial_dropout"]),
    ("dropout2d", &["spatial_dropout"]),
    ("spatialdropout1d", &["spatial_dropout"]),
    ("spatialdropout2d", &["spatial_dropout"]),
    ("mha", &["attention"]),
    ("multiheadattention", &["attention"]),
    ("multiheadselfattention", &["attention"]),
    ("selfattention", &["attention"]),
    ("positionalencoding", &["positional"]),
    ("positionalembedding", &["positional"]),
    ("positionembedding", &["positional"]),
    ("embed", &["embedding"]),
    ("view", &["reshape"]),
    ("unflatten", &["reshape"]),
    ("permute", &["transpose"]),
    ("cat", &["concat"]),
    ("concatenate", &["concat"]),
    ("chunk", &["split"]),
    ("interpolate", &["upsample"]),
    ("resize", &["upsample"]),
    ("upsampling1d", &["upsample"]),
    ("upsampling2d", &["upsample"]),
    ("zeropad2d", &["pad"]),
    ("zeropadding1d", &["pad"]),
    ("zeropadding2d", &["pad"]),
    ("reflectionpad2d", &["pad"]),
    ("normalization", &["normalize"]),
    ("standardize", &["normalize"]),
    ("standardscaler", &["normalize"]),
    ("minmaxscaler", &["min_max"]),
    ("robustscaler", &["robust"]),
    ("simplernn", &["rnn"]),
    // Activations.
    ("logistic", &["sigmoid"]),
    ("heaviside", &["step"]),
    ("threshold", &["step"]),
    ("lrelu", &["leaky_relu"]),
    ("hswish", &["hard_swish"]),
    ("hsigmoid", &["hard_sigmoid"]),
    ("softmax1d", &["softmax"]),
    // Losses and metrics.
    ("ce", &["cross_entropy"]),
    ("logloss", &["cross_entropy"]),
    ("categoricalcrossentropy", &["cross_entropy"]),
    ("sparsecategoricalcrossentropy", &["cross_entropy"]),
    ("softmaxcrossentropy", &["cross_entropy"]),
    ("negativeloglikelihood", &["nll"]),
    ("bce", &["binary_cross_entropy"]),
    ("bcelogits", &["binary_cross_entropy_with_logits"]),
    ("bcewithlogits", &["binary_cross_entropy_with_logits"]),
    ("sigmoidcrossentropy", &["binary_cross_entropy_with_logits"]),
    ("l2", &["mse"]),
    ("squarederror", &["mse"]),
    ("meansquarederror", &["mse", "rmse"]),
    ("mse", &["rmse"]),
    ("rootmeansquarederror", &["rmse"]),
    ("l1", &["mae"]),
    ("absoluteerror", &["mae"]),
    ("meanabsoluteerror", &["mae"]),
    ("kl", &["kl_divergence"]),
    ("kld", &["kl_divergence"]),
    ("kldiv", &["kl_divergence"]),
    ("cosinesimilarity", &["cosine"]),
    ("cosineembedding", &["cosine"]),
    ("poissonnll", &["poisson"]),
    ("acc", &["accuracy"]),
    ("categoricalaccuracy", &["accuracy"]),
    ("topk", &["top_5"]),
    ("r2score", &["r2"]),
    ("rsquared", &["r2"]),
    ("confusionmatrix", &["confusion"]),
    ("ppl", &["perplexity"]),
    // Optimizers and schedules.
    ("gd", &["sgd"]),
    ("gradientdescent", &["sgd"]),
    ("heavyball", &["momentum"]),
    ("nag", &["nesterov"]),
    ("cosineannealing", &["cosine"]),
    ("cosineannealingwarmrestarts", &["cosine_restarts"]),
    ("cosinedecay", &["cosine"]),
    ("sgdr", &["cosine_restarts"]),
    ("reducelronplateau", &["plateau"]),
    ("exponentialdecay", &["exponential"]),
    // Initializers.
    ("glorotuniform", &["glorot"]),
    ("xavieruniform", &["xavier"]),
    ("henormal", &["he"]),
    ("kaimingnormal", &["kaiming"]),
    ("lecunnormal", &["lecun"]),
    ("randomnormal", &["normal"]),
    ("randomuniform", &["uniform"]),
    ("zero", &["zeros"]),
    ("one", &["ones"]),
    // Functions of formulas.
    ("fabs", &["abs"]),
    ("maximum", &["max"]),
    ("minimum", &["min"]),
    // Arguments.
    ("learningrate", &["lr"]),
    ("epsilon", &["eps"]),
    ("alpha", &["rho", "slope"]),
    ("negativeslope", &["slope"]),
    ("outfeatures", &["units"]),
    ("features", &["units"]),
    ("neurons", &["units"]),
    ("size", &["units", "kernel"]),
    ("filters", &["channels"]),
    ("outchannels", &["channels"]),
    ("kernelsize", &["kernel"]),
    ("poolsize", &["kernel"]),
    ("dilationrate", &["dilation"]),
    ("usebias", &["bias"]),
    ("kernelinitializer", &["init"]),
    ("weightinit", &["init"]),
    ("biasinitializer", &["bias_init"]),
    ("numheads", &["heads"]),
    ("rate", &["p"]),
    ("prob", &["p"]),
    ("probability", &["p"]),
    ("numembeddings", &["vocabulary"]),
    ("vocabsize", &["vocabulary"]),
    ("embeddingdim", &["features"]),
    ("outputdim", &["features"]),
    ("hiddensize", &["hidden"]),
    ("units", &["hidden"]),
    ("numgroups", &["groups"]),
    ("elementwiseaffine", &["affine"]),
    ("stddev", &["std"]),
    ("scalefactor", &["scale"]),
    ("dim", &["axis", "features"]),
    ("posweight", &["positive_weight"]),
    ("classweight", &["weights"]),
    ("clipnorm", &["clip_norm"]),
    ("maxnorm", &["clip_norm"]),
    ("clipvalue", &["clip"]),
    ("stepsize", &["every"]),
    ("milestones", &["at"]),
    ("gamma", &["factor"]),
    ("etamin", &["to"]),
    ("minlr", &["least"]),
    // Keys of `data` and `train`.
    ("file", &["csv"]),
    ("label", &["target"]),
    ("columns", &["features"]),
    ("drop", &["ignore"]),
    ("sep", &["delimiter"]),
    ("separator", &["delimiter"]),
    ("trainsize", &["split"]),
    ("valsplit", &["validation"]),
    ("validationsplit", &["validation"]),
    ("augmentation", &["augment"]),
    ("batchsize", &["batch"]),
    ("numepochs", &["epochs"]),
    ("randomstate", &["seed"]),
];

/// What stands for several words here, or for none.
const ADVICE: &[(&str, &str)] = &[
    ("activation", "an activation is a stage of its own: `dense(16) -> relu`"),
    ("infeatures", "the size of what comes in is known: leave it out"),
    ("inchannels", "the size of what comes in is known: leave it out"),
    ("inputsize", "the size of what comes in is known: leave it out"),
    ("inputshape", "the size of what comes in is known: leave it out"),
    ("inputdim", "the size of what comes in is known: leave it out"),
    ("batchfirst", "a sequence is `[positions, features]`, and the batch no part of a shape: leave it out"),
    ("returnsequences", "`output = last` gives the last position alone, and without it there are all"),
    ("timedistributed", "a layer that stands behind a sequence is applied to each of its positions"),
    ("sequential", "stages follow each other as they stand"),
    ("skip", "`residual { … }` adds what its stages make to what they were given"),
    ("momentum", "`momentum` is an optimizer of its own: `optimizer momentum(lr = 0.01, beta = 0.9)`"),
    ("nesterov", "`nesterov` is an optimizer of its own: `optimizer nesterov(lr = 0.01, beta = 0.9)`"),
    (
        "weightdecay",
        "`l2` adds to gradients, as PyTorch's SGD and Adam do; `decay` shrinks weights before the step, as AdamW does",
    ),
    ("betas", "they are two arguments, `beta1` and `beta2`"),
    ("pow", "`x^2` is a power"),
    ("power", "`x^2` is a power"),
    ("square", "`x^2` is a power"),
    ("clamp", "`min(max(x, low), high)` holds `x` between both"),
    ("clip", "`min(max(x, low), high)` holds `x` between both"),
    ("testsize", "`split 0.8` trains on four rows of five, and tests on the others"),
    ("testsplit", "`split 0.8` trains on four rows of five, and tests on the others"),
];

/// Words that others put behind a name.
const ENDINGS: [&str; 4] = ["loss", "layer", "lr", "cell"];

/// The name of `known` that is meant by one which PyTorch, Keras or the literature have for it. Capital letters,
/// underscores, and a `Loss`, `Layer`, `Cell` or `LR` at the end do not matter.
pub(super) fn elsewhere<'a>(found: &str, known: &[&'a str]) -> Option<&'a str> {
    let whole = plain(found);
    let stems =
        ENDINGS.iter().filter_map(|ending| whole.strip_suffix(ending)).filter(|stem| !stem.is_empty());
    let spelt = std::iter::once(whole.as_str()).chain(stems);
    let others = || known.iter().filter(|name| **name != found);
    spelt.into_iter().find_map(|spelt| {
        let same = others().find(|name| plain(name) == spelt);
        let names = || NAMES.iter().find(|(name, _)| *name == spelt).map_or(&[][..], |(_, here)| here);
        let called = || names().iter().find_map(|here| others().find(|name| *name == here));
        same.or_else(called).copied()
    })
}

/// What to do instead of writing a name that others have, and nothing is called here.
pub(super) fn advice(found: &str) -> Option<&'static str> {
    let found = plain(found);
    ADVICE.iter().find(|(name, _)| *name == found).map(|(_, advice)| *advice)
}

/// Small letters without underscores.
fn plain(name: &str) -> String {
    name.chars().filter(|c| *c != '_').flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_elsewhere_are_found_where_they_are_known() {
        for (found, known, here) in [
            ("LeakyReLU", &["relu", "leaky_relu"][..], Some("leaky_relu")),
            ("fc", &["dense"], Some("dense")),
            ("ln", &["layer_norm", "relu"], Some("layer_norm")),
            ("ln", &["exp", "log"], Some("log")),
            (
                "BCEWithLogitsLoss",
                &["binary_cross_entropy_with_logits"],
                Some("binary_cross_entropy_with_logits"),
            ),
            ("StepLR", &["cosine", "step"], Some("step")),
            ("LSTMCell", &["gru", "lstm"], Some("lstm")),
            ("learning_rate", &["rho", "lr"], Some("lr")),
            ("learning_rate", &["units"], None),
            ("dense", &["dense"], None),
            ("loss", &["mse"], None),
            ("_", &["dense"], None),
            ("", &["dense"], None),
        ] {
            assert_eq!(elsewhere(found, known), here, "{found} among {known:?}");
        }
    }

    #[test]
    fn tables_are_of_plain_names_that_stand_once() {
        let names = NAMES.iter().map(|(name, _)| *name);
        let all: Vec<&str> = names.chain(ADVICE.iter().map(|(name, _)| *name)).collect();
        for (n, name) in all.iter().enumerate() {
            assert_eq!(plain(name), *name);
            assert!(!all[..n].contains(name), "`{name}` stands twice");
        }
        assert!(NAMES.iter().all(|(name, here)| here.iter().all(|here| here != name)));
    }
}
