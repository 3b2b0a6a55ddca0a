//! What a session may do without asking, as far as a child's must not be more than its maker's.
//!
//! What always holds: a right that is not known counts as the least one.

use crate::problem::Refusal;
use serde_json::{Value, json};
use sm_projections::rows::Session;
use std::path::{Path, PathBuf};

/// How far a session's commands reach, least first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Sandbox {
    #[default]
    ReadOnly,
    WorkspaceWrite,
    FullAccess,
}

impl Sandbox {
    const ALL: [Sandbox; 3] = [Sandbox::ReadOnly, Sandbox::WorkspaceWrite, Sandbox::FullAccess];

    /// What a caller asks for; none asks for nothing.
    pub fn wished(word: Option<&str>) -> Result<Option<Sandbox>, Refusal> {
        wished(word, "sandbox", Sandbox::of_word, &Sandbox::ALL.map(Sandbox::as_str))
    }

    /// Understands both forms that Codex uses.
    pub fn of_word(word: &str) -> Option<Sandbox> {
        match word {
            "read-only" | "readOnly" => Some(Sandbox::ReadOnly),
            "workspace-write" | "workspaceWrite" => Some(Sandbox::WorkspaceWrite),
            "danger-full-access" | "dangerFullAccess" => Some(Sandbox::FullAccess),
            _ => None,
        }
    }

    /// As `thread/start` takes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Sandbox::ReadOnly => "read-only",
            Sandbox::WorkspaceWrite => "workspace-write",
            Sandbox::FullAccess => "danger-full-access",
        }
    }

    /// As `turn/start` takes it.
    pub fn policy(self) -> Value {
        match self {
            Sandbox::ReadOnly => json!({ "type": "readOnly" }),
            Sandbox::WorkspaceWrite => json!({ "type": "workspaceWrite" }),
            Sandbox::FullAccess => json!({ "type": "dangerFullAccess" }),
        }
    }
}

/// How seldom a session asks, least first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Approval {
    #[default]
    Untrusted,
    OnRequest,
    OnFailure,
    Never,
}

impl Approval {
    const ALL: [Approval; 4] =
        [Approval::Untrusted, Approval::OnRequest, Approval::OnFailure, Approval::Never];

    /// What a caller asks for; none asks for nothing.
    pub fn wished(word: Option<&str>) -> Result<Option<Approval>, Refusal> {
        wished(word, "approval", Approval::of_word, &Approval::ALL.map(Approval::as_str))
    }

    pub fn of_word(word: &str) -> Option<Approval> {
        match word {
            "untrusted" => Some(Approval::Untrusted),
            "on-request" => Some(Approval::OnRequest),
            "on-failure" => Some(Approval::OnFailure),
            "never" => Some(Approval::Never),
            _ => None,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Approval::Untrusted => "untrusted",
            Approval::OnRequest => "on-request",
            Approval::OnFailure => "on-failure",
            Approval::Never => "never",
        }
    }
}

/// A word that is none of ours would be Codex's to refuse, in words that help nobody.
fn wished<T>(
    word: Option<&str>,
    what: &str,
    of_word: fn(&str) -> Option<T>,
    words: &[&str],
) -> Result<Option<T>, Refusal> {
    // Agents fill in what they could leave out.
    let Some(word) = word.filter(|word| !word.is_empty()) else { return Ok(None) };
    let wrong = || {
        Refusal::bad_request(format!("{word:?} is no {what}"))
            .hint(format!("one of {}", words.join(", ")))
    };
    of_word(word).map(Some).ok_or_else(wrong)
}

/// What a session may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Rights {
    pub sandbox: Sandbox,
    pub approval: Approval,
    pub cwd: Option<PathBuf>,
}

impl Rights {
    /// A session's rights, as far as they are known: the lesser of those in force, which may be one
    /// turn's, and those that it keeps.
    pub fn of(session: &Session) -> Rights {
        Rights {
            sandbox: sandboxes(session).min().unwrap_or_default(),
            approval: approvals(session).min().unwrap_or_default(),
            cwd: session.cwd.as_ref().map(PathBuf::from),
        }
    }

    /// Whether the session's open turn, or its next one, may do more than these.
    pub fn are_exceeded_by(&self, session: &Session) -> bool {
        // What it keeps stands last, and is what its next turn is given.
        let turns = if session.open_turn.is_some() { usize::MAX } else { 1 };
        sandboxes(session).rev().take(turns).any(|sandbox| sandbox > self.sandbox)
            || approvals(session).rev().take(turns).any(|approval| approval > self.approval)
    }

    /// Whether the session may do whatever it likes.
    pub fn are_full(&self) -> bool {
        self.sandbox == Sandbox::FullAccess && self.approval == Approval::Never
    }

    /// The rights of a child that asks for these; what it does not ask for it inherits.
    pub fn of_child(
        &self,
        sandbox: Option<Sandbox>,
        approval: Option<Approval>,
        cwd: Option<&Path>,
    ) -> Result<Rights, Refusal> {
        let sandbox = sandbox.unwrap_or(self.sandbox);
        let approval = approval.unwrap_or(self.approval);
        if sandbox > self.sandbox {
            return Err(more("sandbox", sandbox.as_str(), self.sandbox.as_str()));
        }
        if approval > self.approval {
            return Err(more("approval", approval.as_str(), self.approval.as_str()));
        }
        Ok(Rights { sandbox, approval, cwd: Some(self.folder(cwd)?) })
    }

    /// The child's folder: below the parent's own, unless the parent may write everywhere anyway.
    fn folder(&self, cwd: Option<&Path>) -> Result<PathBuf, Refusal> {
        let own = self.cwd.clone();
        let own = own.ok_or_else(|| Refusal::bad_request("the parent's folder is not known"))?;
        let Some(cwd) = cwd else { return Ok(own) };
        let real = |path: &Path| {
            let found = path.canonicalize();
            found.map_err(|error| Refusal::bad_request(format!("{}: {error}", path.display())))
        };
        let wished = real(&own.join(cwd))?;
        if self.sandbox == Sandbox::FullAccess || wished.starts_with(real(&own)?) {
            return Ok(wished);
        }
        Err(Refusal::forbidden(format!(
            "a child's folder must lie in its parent's: {} is not in {}",
            wished.display(),
            own.display()
        ))
        .hint("leave the folder out, or name one inside"))
    }
}

/// In force, and kept.
fn sandboxes(session: &Session) -> impl DoubleEndedIterator<Item = Sandbox> {
    let words = session.sandbox.iter().chain(&session.kept.sandbox);
    words.map(|word| Sandbox::of_word(word).unwrap_or_default())
}

fn approvals(session: &Session) -> impl DoubleEndedIterator<Item = Approval> {
    let words = session.approval_policy.iter().chain(&session.kept.approval);
    words.map(|word| Approval::of_word(word).unwrap_or_default())
}

fn more(what: &str, wished: &str, own: &str) -> Refusal {
    Refusal::forbidden(format!(
        "an agent gives a child no more rights than it has: {what} {wished} is more than {own}"
    ))
    .hint(format!("leave {what} out, or ask for {own} at most; the user can give more"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sm_projections::rows::OpenTurn;

    fn parent(cwd: &Path) -> Rights {
        Rights {
            sandbox: Sandbox::WorkspaceWrite,
            approval: Approval::OnRequest,
            cwd: Some(cwd.to_path_buf()),
        }
    }

    #[test]
    fn a_child_inherits_and_gets_less_but_never_more() {
        let dir = tempfile::tempdir().unwrap();
        let parent = parent(dir.path());
        assert_eq!(parent.of_child(None, None, None).unwrap(), parent);
        let less =
            parent.of_child(Some(Sandbox::ReadOnly), Some(Approval::Untrusted), None).unwrap();
        assert_eq!((less.sandbox, less.approval), (Sandbox::ReadOnly, Approval::Untrusted));
        for (sandbox, approval) in
            [(Some(Sandbox::FullAccess), None), (None, Some(Approval::Never))]
        {
            assert_eq!(parent.of_child(sandbox, approval, None).unwrap_err().status, 403);
        }
    }

    #[test]
    fn a_word_that_is_no_right_is_refused_with_those_that_are() {
        assert_eq!(Sandbox::wished(Some("workspaceWrite")).unwrap(), Some(Sandbox::WorkspaceWrite));
        assert_eq!(Approval::wished(Some("")).unwrap(), None);
        let refused = Sandbox::wished(Some("everything")).unwrap_err();
        assert_eq!(refused.status, 400);
        let hint = refused.problem.hint.unwrap();
        assert_eq!(hint, "one of read-only, workspace-write, danger-full-access");
        assert!(Approval::wished(Some("sometimes")).is_err());
    }

    #[test]
    fn a_childs_folder_lies_in_its_parents() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        std::os::unix::fs::symlink("/", dir.path().join("out")).unwrap();
        let parent = parent(dir.path());
        assert!(parent.of_child(None, None, Some(Path::new("sub"))).is_ok());
        for outside in ["/", "..", "out", "sub/../.."] {
            let refused = parent.of_child(None, None, Some(Path::new(outside)));
            assert_eq!(refused.unwrap_err().status, 403, "{outside}");
        }
    }

    #[test]
    fn one_turn_gives_nothing_to_children_and_what_is_kept_binds_at_once() {
        let mut session = Session {
            sandbox: Some("dangerFullAccess".into()),
            approval_policy: Some("never".into()),
            ..Session::default()
        };
        session.kept.sandbox = Some("workspace-write".into());
        session.kept.approval = Some("on-request".into());
        let rights = Rights::of(&session);
        assert_eq!(rights.sandbox, Sandbox::WorkspaceWrite);
        assert_eq!(rights.approval, Approval::OnRequest);
        assert!(!rights.are_exceeded_by(&session), "the next turn does no more");
        session.open_turn = Some(OpenTurn::default());
        assert!(rights.are_exceeded_by(&session), "the open one may");
        session.sandbox = Some("readOnly".into());
        session.approval_policy = None;
        assert_eq!(Rights::of(&session).sandbox, Sandbox::ReadOnly);
        assert!(!rights.are_exceeded_by(&session));
    }

    #[test]
    fn what_is_not_known_is_the_least() {
        let rights = Rights::of(&Session { sandbox: Some("odd".into()), ..Session::default() });
        assert_eq!((rights.sandbox, rights.approval), (Sandbox::ReadOnly, Approval::Untrusted));
    }
}
