//! The folders that a command may find itself in.
//!
//! What always holds: the folder that it will really be in is among them; none: it is not known.

use crate::paths::glob::normal;
use std::path::{Path, PathBuf};

/// More folders than a line can well mean.
const FOLDERS_MAX: usize = 32;

/// Folders, each from the root, in the order in which they were found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Folders(pub Vec<PathBuf>);

/// Where one is once a command has ended.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    /// It succeeded.
    pub well: Folders,
    /// It failed.
    pub ill: Folders,
}

impl Folders {
    /// These or those.
    pub fn or(&self, others: &Folders) -> Folders {
        let mut both = self.clone();
        let new = others.0.iter().filter(|folder| !self.0.contains(folder));
        both.0.extend(new.cloned());
        both
    }

    /// Those behind `cd TO`; `None` where they are too many.
    pub fn change(&self, to: &str) -> Option<Folders> {
        let mut found = Vec::new();
        for folder in &self.0 {
            let walked = folder.join(to);
            // A shell goes up by words, or as links lead: they differ in shells and their options.
            let told = normal(&walked);
            let has_up = Path::new(to).components().any(|part| part.as_os_str() == "..");
            let both = [Some(told), has_up.then_some(walked)];
            for folder in both.into_iter().flatten() {
                if !found.contains(&folder) {
                    found.push(folder);
                }
            }
        }
        (found.len() <= FOLDERS_MAX).then_some(Folders(found))
    }

    /// The places that a name may mean. They are as the kernel would walk them.
    pub fn places(&self, name: &str) -> Vec<PathBuf> {
        match Path::new(name).is_absolute() || self.0.is_empty() {
            true => vec![PathBuf::from(name)],
            false => self.0.iter().map(|folder| folder.join(name)).collect(),
        }
    }
}

impl Ended {
    /// A command that stays where it is.
    pub fn still(folders: Folders) -> Ended {
        Ended { well: folders.clone(), ill: folders }
    }

    /// However it ended.
    pub fn anyhow(&self) -> Folders {
        self.ill.or(&self.well)
    }
}
