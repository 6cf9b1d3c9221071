//! The sequential register, and how its operations stand in a history.

use contract::Value;
use std::fmt;

/// What is asked of which key.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) key: Value,
    pub(crate) action: Action,
}

/// What is asked of a register.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Read,
    Write(Value),
    Cas { expected: Value, new: Value },
}

impl Request {
    /// The request of a history's action; `None` for actions on other things than registers.
    pub(crate) fn of(action: &str, input: &Value) -> Result<Option<Self>, &'static str> {
        let request = match (action, input) {
            ("read", Value::List(_)) => return Err("the input of a read is a key"),
            ("read", key) => Request { key: key.clone(), action: Action::Read },
            ("write", Value::List(facts)) => match &facts[..] {
                [key, value] => Request { key: key.clone(), action: Action::Write(value.clone()) },
                _ => return Err("the input of a write is a key and a value"),
            },
            ("cas", Value::List(facts)) => match &facts[..] {
                [key, expected, new] => {
                    let action = Action::Cas { expected: expected.clone(), new: new.clone() };
                    Request { key: key.clone(), action }
                }
                _ => return Err("the input of a cas is a key, the expected value and the new one"),
            },
            ("write" | "cas", _) => return Err("the input of a write or cas is a list"),
            _ => return Ok(None),
        };
        Ok(Some(request))
    }
}

impl Action {
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Action::Read => "read",
            Action::Write(_) => "write",
            Action::Cas { .. } => "cas",
        }
    }
}

/// No value, as every key begins.
pub(crate) fn nothing() -> Value {
    Value::List(Vec::new())
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.action {
            Action::Read => write!(f, "a read of {}", self.key),
            Action::Write(value) => write!(f, "a write of {value} to {}", self.key),
            Action::Cas { expected, new } => write!(f, "a cas of {} from {expected} to {new}", self.key),
        }
    }
}
