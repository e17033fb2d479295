//! Methods that emitted models have by feature, written once here rather than in every model.
//!
//! The macros are expanded in the user's crate, so that what is in them depends on the features this crate was built
//! with, and not on the user's.

/// Gives an emitted struct its methods by feature: `predict_batch` (`ndarray`), `save` and `load` (`std`), and, after
/// `, train`, `fit` and `evaluate` (`std`). Without the features it expands to nothing.
///
/// The struct implements `Model<Elem = f32>`, has `new(seed: u64) -> Self` and `zeroed() -> Self`, and implements `Train` if `train` is said.
#[doc(hidden)]
#[macro_export]
macro_rules! __inherent {
    ($name:ident) => {
        $crate::__debug! { $name }

        impl $name {
            /// A model with the weights of a safetensors file or a checkpoint that is part of the program: of
            /// `include_bytes!`.
            ///
            /// # Errors
            /// When the weights are those of another model, not finite, or damaged.
            pub fn from_bytes(
                bytes: &[u8],
            ) -> ::core::result::Result<Self, $crate::safetensors::WeightsError> {
                let mut model = Self::zeroed();
                $crate::safetensors::load_bytes(&mut model, bytes)?;
                ::core::result::Result::Ok(model)
            }
        }

        impl $name {
            /// The weights as the content of a safetensors file, for `from_bytes`.
            #[must_use]
            pub fn to_bytes(&self) -> $crate::__private::Vec<u8> {
                $crate::safetensors::to_bytes(self, &$crate::safetensors::Metadata::new())
            }
        }

        $crate::__inherent_ndarray! { $name }
        $crate::__inherent_files! { $name }
    };
    ($name:ident, train) => {
        $crate::__inherent! { $name }
        $crate::__inherent_fit! { $name }
    };
}

/// `Debug` of a model, which says what it is and leaves out its millions of numbers.
#[doc(hidden)]
#[macro_export]
macro_rules! __debug {
    ($name:ident) => {
        impl ::core::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                let info = $crate::model::Model::info(self);
                f.debug_struct(info.name)
                    .field("source", &info.source)
                    .field("spec_hash", &info.spec_hash)
                    .finish_non_exhaustive()
            }
        }
    };
}

#[cfg(feature = "ndarray")]
#[doc(hidden)]
#[macro_export]
macro_rules! __inherent_ndarray {
    ($name:ident) => {
        impl $name {
            /// The outputs for each row of `x`: `[samples, input values]` to `[samples, output values]`.
            ///
            /// # Errors
            /// When the rows are not as long as the model's input.
            pub fn predict_batch(
                &self,
                x: $crate::ndarray_api::ArrayView2<'_, f32>,
            ) -> ::core::result::Result<$crate::ndarray_api::Array2<f32>, $crate::model::ShapeError> {
                $crate::ndarray_api::predict_batch(self, x)
            }
        }
    };
}

#[cfg(not(feature = "ndarray"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __inherent_ndarray {
    ($name:ident) => {};
}

#[cfg(feature = "std")]
#[doc(hidden)]
#[macro_export]
macro_rules! __inherent_files {
    ($name:ident) => {
        impl $name {
            /// Saves the weights to a safetensors file, whole or not at all.
            ///
            /// # Errors
            /// E0417 when the file cannot be written.
            pub fn save(
                &self,
                path: impl ::core::convert::AsRef<$crate::__private::Path>,
            ) -> ::core::result::Result<(), $crate::Error> {
                $crate::safetensors::save(self, path.as_ref(), &$crate::safetensors::Metadata::new())
            }

            /// A model with the weights of a safetensors file or a checkpoint.
            ///
            /// # Errors
            /// E0413 when the weights are those of another model, E0414 when the file cannot be read, E0415 when it
            /// is damaged.
            pub fn load(
                path: impl ::core::convert::AsRef<$crate::__private::Path>,
            ) -> ::core::result::Result<Self, $crate::Error> {
                let mut model = Self::zeroed();
                let options = $crate::safetensors::LoadOptions::default();
                $crate::safetensors::load(&mut model, path.as_ref(), &options)?;
                ::core::result::Result::Ok(model)
            }
        }
    };
}

#[cfg(not(feature = "std"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __inherent_files {
    ($name:ident) => {};
}

#[cfg(feature = "std")]
#[doc(hidden)]
#[macro_export]
macro_rules! __inherent_fit {
    ($name:ident) => {
        impl $name {
            /// Fits the model's `normalize`, `min_max` and `robust` layers to the training part, where they hold no figures
            /// yet, and trains it. A model that was loaded, or fitted before, keeps the figures that its weights go with;
            /// `data::fit_normalize` fits them anew.
            ///
            /// # Errors
            /// When the data do not fit the model, the loss is no longer finite, or a file cannot be read or written.
            pub fn fit(
                &mut self,
                split: &$crate::data::Split,
                options: &$crate::fit::FitOptions<'_>,
                callback: &mut dyn $crate::fit::Callback,
            ) -> ::core::result::Result<$crate::fit::FitReport, $crate::Error> {
                $crate::fit::fit(self, split, options, callback)
            }

            /// Loss and metrics over a data set; nothing is trained.
            ///
            /// # Errors
            /// When the data or the metrics do not fit the model.
            pub fn evaluate(
                &mut self,
                data: &$crate::data::DataSet,
                metrics: &[$crate::metrics::Metric],
            ) -> ::core::result::Result<$crate::fit::Evaluation, $crate::Error> {
                $crate::fit::evaluate(self, data, metrics)
            }
        }
    };
}

#[cfg(not(feature = "std"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __inherent_fit {
    ($name:ident) => {};
}
