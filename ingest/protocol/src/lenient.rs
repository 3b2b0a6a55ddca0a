//! Field types that accept any JSON value.
//!
//! What always holds: deserializing one of these succeeds on every well-formed value. A value of the
//! expected type is kept, any other is skipped and reads as absent, so one changed field never hides
//! the rest of a message.

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// Generates the visitor methods that skip a value of an unexpected type.
macro_rules! skip {
    ($($method:ident: $type:ty),*) => {
        $(fn $method<E>(self, _: $type) -> Result<Self::Value, E> { Ok(Self::Value::default()) })*
    };
}

macro_rules! skip_map {
    () => {
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            Ok(Self::Value::default())
        }
    };
}

macro_rules! skip_seq {
    () => {
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            Ok(Self::Value::default())
        }
    };
}

macro_rules! skip_unit {
    () => {
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Self::Value::default())
        }
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("any JSON value")
        }
    };
}

/// A string, or absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text<'a>(pub Option<Cow<'a, str>>);

impl Text<'_> {
    /// The string, if there is one.
    pub fn get(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// The string if there is one and it is not empty.
    pub fn filled(&self) -> Option<&str> {
        self.get().filter(|text| !text.is_empty())
    }
}

struct TextVisitor<'a>(PhantomData<&'a ()>);

impl<'de: 'a, 'a> Visitor<'de> for TextVisitor<'a> {
    type Value = Text<'a>;
    skip!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64);
    skip_map!();
    skip_seq!();
    skip_unit!();

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Borrowed(text))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Text(Some(Cow::Owned(text.to_owned()))))
    }
}

/// A variant's name: a word, or the first key of an object that says more of it; else absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tag<'a>(pub Text<'a>);

struct TagVisitor<'a>(PhantomData<&'a ()>);

impl<'de: 'a, 'a> Visitor<'de> for TagVisitor<'a> {
    type Value = Tag<'a>;
    skip!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64);
    skip_seq!();
    skip_unit!();

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Tag(Text(Some(Cow::Borrowed(text)))))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Tag(Text(Some(Cow::Owned(text.to_owned())))))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let name = map.next_entry::<Text<'a>, IgnoredAny>()?.map(|(name, _)| name);
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Tag(name.unwrap_or_default()))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Tag<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TagVisitor(PhantomData))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor(PhantomData))
    }
}

/// A whole number, or absent. A fraction that is whole counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Int(pub Option<i64>);

struct IntVisitor;

impl<'de> Visitor<'de> for IntVisitor {
    type Value = Int;
    skip!(visit_bool: bool, visit_str: &str);
    skip_map!();
    skip_seq!();
    skip_unit!();

    fn visit_i64<E>(self, value: i64) -> Result<Int, E> {
        Ok(Int(Some(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Int, E> {
        Ok(Int(i64::try_from(value).ok()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Int, E> {
        let whole = value.fract() == 0.0 && value.abs() < 9.0e15;
        Ok(Int(whole.then_some(value as i64)))
    }
}

impl<'de> Deserialize<'de> for Int {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IntVisitor)
    }
}

/// Any number, or absent.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Real(pub Option<f64>);

struct RealVisitor;

impl<'de> Visitor<'de> for RealVisitor {
    type Value = Real;
    skip!(visit_bool: bool, visit_str: &str);
    skip_map!();
    skip_seq!();
    skip_unit!();

    fn visit_i64<E>(self, value: i64) -> Result<Real, E> {
        Ok(Real(Some(value as f64)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Real, E> {
        Ok(Real(Some(value as f64)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Real, E> {
        Ok(Real(Some(value)))
    }
}

impl<'de> Deserialize<'de> for Real {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RealVisitor)
    }
}

/// A boolean, or absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flag(pub Option<bool>);

struct FlagVisitor;

impl<'de> Visitor<'de> for FlagVisitor {
    type Value = Flag;
    skip!(visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);
    skip_map!();
    skip_seq!();
    skip_unit!();

    fn visit_bool<E>(self, value: bool) -> Result<Flag, E> {
        Ok(Flag(Some(value)))
    }
}

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FlagVisitor)
    }
}

/// An object read as `T`, or absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obj<T>(pub Option<T>);

impl<T> Default for Obj<T> {
    fn default() -> Self {
        Obj(None)
    }
}

impl<T> Obj<T> {
    /// The object, if there is one.
    pub fn get(&self) -> Option<&T> {
        self.0.as_ref()
    }
}

struct ObjVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjVisitor<T> {
    type Value = Obj<T>;
    skip!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);
    skip_seq!();
    skip_unit!();

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(|value| Obj(Some(value)))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Obj<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ObjVisitor(PhantomData))
    }
}

/// A list whose elements are read as `T`; empty when absent or of another type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List<T>(pub Vec<T>);

impl<T> Default for List<T> {
    fn default() -> Self {
        List(Vec::new())
    }
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = List<T>;
    skip!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);
    skip_map!();
    skip_unit!();

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = seq.next_element()? {
            list.push(element);
        }
        Ok(List(list))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct All<'a> {
        #[serde(borrow)]
        text: Text<'a>,
        int: Int,
        flag: Flag,
        real: Real,
        #[serde(borrow)]
        obj: Obj<Inner<'a>>,
        #[serde(borrow)]
        list: List<Text<'a>>,
    }

    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Inner<'a> {
        #[serde(borrow)]
        id: Text<'a>,
    }

    #[test]
    fn any_value_in_any_field_reads_as_absent_at_worst() {
        let values = ["null", "true", "-3", "1.5", "\"x\"", "[1,{}]", "{\"id\":7}", "1e400"];
        for field in ["text", "int", "flag", "real", "obj", "list"] {
            for value in values.iter().take(7) {
                let json = format!("{{\"{field}\":{value},\"other\":{value}}}");
                serde_json::from_str::<All>(&json).unwrap_or_else(|e| panic!("{json}: {e}"));
            }
        }
    }

    #[test]
    fn expected_types_are_kept() {
        let json =
            r#"{"text":"a\nb","int":4.0,"flag":true,"real":2,"obj":{"id":"i"},"list":["x",3]}"#;
        let all: All = serde_json::from_str(json).unwrap();
        assert_eq!(all.text.get(), Some("a\nb"));
        assert_eq!(all.int, Int(Some(4)));
        assert_eq!(all.flag, Flag(Some(true)));
        assert_eq!(all.real, Real(Some(2.0)));
        assert_eq!(all.obj.get().and_then(|o| o.id.get()), Some("i"));
        assert_eq!(all.list.0, vec![Text(Some("x".into())), Text(None)]);
    }
}
