//! The routes, each with a line about it: the router and `GET /openapi.json` are made of one list.
//!
//! What always holds: what is not told of is not routed. Bodies and answers are described by what their
//! types are where nothing is set, so that no field is told of that is not there.

use crate::api::ProblemBody;
use crate::daemon::Daemon;
use axum::routing::MethodRouter;
use axum::{Json, Router};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Where it is.
pub(crate) const PATH: &str = "/openapi.json";

/// What is told of one route.
#[derive(Debug, Clone)]
pub(crate) struct Op {
    method: &'static str,
    path: &'static str,
    does: &'static str,
    query: &'static [(&'static str, &'static str)],
    body: Option<Value>,
    answer: Option<Value>,
    media: &'static str,
}

impl Op {
    fn new(method: &'static str, path: &'static str, does: &'static str) -> Op {
        let media = "application/json";
        Op { method, path, does, query: &[], body: None, answer: None, media }
    }

    /// A question.
    pub fn get(path: &'static str, does: &'static str) -> Op {
        Op::new("get", path, does)
    }

    /// An act, with the body that it takes.
    pub fn post<Body: Default + Serialize>(path: &'static str, does: &'static str) -> Op {
        Op { body: Some(example::<Body>()), ..Op::new("post", path, does) }
    }

    /// With a member of the body that has no value where nothing is set, of any type.
    pub fn takes(mut self, member: &'static str) -> Op {
        if let Some(body) = &mut self.body {
            body[member] = Value::Null;
        }
        self
    }

    /// With what may be asked for: name and meaning of each.
    pub fn query(self, query: &'static [(&'static str, &'static str)]) -> Op {
        Op { query, ..self }
    }

    /// With what it answers.
    pub fn answers<Answer: Default + Serialize>(self) -> Op {
        Op { answer: Some(example::<Answer>()), ..self }
    }

    /// With an answer that is no JSON document.
    pub fn media(self, media: &'static str) -> Op {
        Op { media, ..self }
    }

    fn document(&self) -> Value {
        let in_path =
            self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let in_path = in_path.map(|name| {
            json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}})
        });
        let in_query = self.query.iter().map(|(name, means)| {
            json!({"name": name, "in": "query", "description": means, "schema": {"type": "string"}})
        });
        let parameters: Vec<Value> = in_path.chain(in_query).collect();
        let answer = match &self.answer {
            Some(answer) => json!({"schema": schema(answer)}),
            None => json!({}),
        };
        let mut told = json!({
            "summary": self.does,
            "parameters": parameters,
            "responses": {
                "200": {"description": "done", "content": {self.media: answer}},
                "default": {"description": "why not", "content": {
                    "application/json": {"schema": {"$ref": "#/components/schemas/Problem"}},
                }},
            },
        });
        if let Some(body) = &self.body {
            let content = json!({"application/json": {"schema": schema(body)}});
            told["requestBody"] = json!({"content": content});
        }
        told
    }
}

/// What a type is where nothing is set. Bodies are plain data, so this cannot fail.
fn example<T: Default + Serialize>() -> Value {
    serde_json::to_value(T::default()).unwrap_or_default()
}

/// The JSON schema of what `value` is an example of. Every field may be left out; null tells no type.
fn schema(value: &Value) -> Value {
    match value {
        Value::Null => json!({}),
        Value::Bool(_) => json!({"type": "boolean"}),
        Value::Number(_) => json!({"type": "integer"}),
        Value::String(_) => json!({"type": "string"}),
        Value::Array(_) => json!({"type": "array"}),
        Value::Object(fields) => {
            let fields: Map<String, Value> =
                fields.iter().map(|(name, field)| (name.clone(), schema(field))).collect();
            json!({"type": "object", "properties": fields})
        }
    }
}

/// Routes as they are put together.
#[derive(Default)]
pub(crate) struct Routes {
    router: Router<Arc<Daemon>>,
    ops: Vec<Op>,
}

impl Routes {
    /// With another one.
    pub fn route(mut self, op: Op, method: MethodRouter<Arc<Daemon>>) -> Routes {
        self.router = self.router.route(op.path, method);
        self.ops.push(op);
        self
    }

    /// With those of another part.
    pub fn merge(mut self, other: Routes) -> Routes {
        self.router = self.router.merge(other.router);
        self.ops.extend(other.ops);
        self
    }

    /// The router.
    pub fn into_router(self) -> Router<Arc<Daemon>> {
        self.router
    }

    fn document(&self) -> Value {
        let mut paths = Map::new();
        for op in &self.ops {
            let path = paths.entry(op.path).or_insert_with(|| json!({}));
            path[op.method] = op.document();
        }
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": "sm",
                "version": env!("CARGO_PKG_VERSION"),
                "description": "Flight recorder and control tower for coding agents.",
            },
            "paths": paths,
            "components": {"schemas": {"Problem": schema(&example::<ProblemBody>())}},
        })
    }
}

/// The document.
pub(crate) async fn document() -> Json<Value> {
    Json(super::routes().document())
}
