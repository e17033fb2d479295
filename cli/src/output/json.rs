//! JSON objects, a line each, with their keys in the order they are given.

/// An object that is being written.
#[derive(Debug)]
pub struct Object(String);

impl Object {
    /// `{"event":"…"`
    pub fn event(name: &str) -> Self {
        Self("{".to_owned()).text("event", name)
    }

    /// A text.
    pub fn text(self, key: &str, value: &str) -> Self {
        let value = serde_json::Value::from(value).to_string();
        self.raw(key, &value)
    }

    /// A list of texts.
    pub fn texts(self, key: &str, values: &[String]) -> Self {
        let value = serde_json::Value::from(values).to_string();
        self.raw(key, &value)
    }

    /// A number; `null` where JSON has none.
    pub fn number(self, key: &str, value: f64) -> Self {
        let value = serde_json::Number::from_f64(value)
            .map_or_else(|| "null".to_owned(), |number| number.to_string());
        self.raw(key, &value)
    }

    /// A whole number.
    pub fn whole(self, key: &str, value: u64) -> Self {
        self.raw(key, &value.to_string())
    }

    /// The whole object.
    pub fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }

    fn raw(mut self, key: &str, value: &str) -> Self {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push_str(&format!("\"{key}\":{value}"));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::Object;

    #[test]
    fn objects_are_json() {
        let text = Object::event("a \"b\"").number("x", 0.5).number("nan", f64::NAN).whole("n", 3).finish();
        assert_eq!(text, r#"{"event":"a \"b\"","x":0.5,"nan":null,"n":3}"#);
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
    }
}
