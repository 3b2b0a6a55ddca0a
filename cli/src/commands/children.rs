//! `sm children`: a session's family.

use super::ps::Listed;
use crate::context::Context;
use crate::error::{Error, Exit};
use crate::output::{Streams, now_micros};
use crate::past::{At, Question};
use crate::read::{Follow, Tables};
use crate::show::{SessionShown, family_line, show};
use clap::Args;
use serde::Serialize;
use sm_projections::rows::Sid;
use sm_projections::views::{self, SessionDoc};
use sm_projections::{StoreError, View};
use std::collections::HashMap;

/// Shows a session's children: state and for how long, outcome, last action, tokens, quiet time.
///
/// Without a session: the calling session's children (SM_SESSION_ID), else every family.
#[derive(Debug, Args)]
pub struct Children {
    /// Id, name, unique prefix of either, thread id, @last or @parent.
    session: Option<String>,

    /// Their children too, and so on.
    #[arg(short, long)]
    recursive: bool,

    /// Stopped and archived ones too.
    #[arg(short, long)]
    all: bool,

    /// Goes on showing what changes.
    #[arg(short, long)]
    follow: bool,

    #[command(flatten)]
    at: At,
}

/// One line of the family.
struct Member {
    depth: usize,
    shown: SessionShown,
}

#[derive(Serialize)]
struct Changed<'a> {
    schema: &'static str,
    seq: u64,
    session: &'a SessionShown,
}

impl Children {
    /// Prints them.
    pub fn run(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        self.at.none_when_following(self.follow)?;
        if self.follow {
            return self.follow(context, streams);
        }
        let mut listed = Listed::empty("sm.children/1");
        let words: Vec<String> = self.word(context).map(str::to_owned).into_iter().collect();
        let (members, root) = match self.at.open(context, streams, &Question::Families(&words))? {
            Some(tables) => {
                listed.now = tables.now();
                let view = tables.view()?;
                listed.head.as_of = tables.as_of(&view)?;
                self.members(context, &tables, &view, self.word(context))?
            }
            None if self.word(context).is_some() => return Err(crate::read::nothing_yet(context)),
            None => (Vec::new(), None),
        };
        if context.json {
            listed.sessions = members.into_iter().map(|member| member.shown).collect();
            streams.document(&listed)?;
            return Ok(Exit::Ok);
        }
        if members.is_empty() {
            let whose = root.map_or(String::new(), |root| format!(" of {root}"));
            let home = context.home_words();
            let which = if self.all { "" } else { " that still live (--all shows the others)" };
            streams.say(format_args!(
                "No child sessions{whose}{which}. Make one: sm{home} spawn 'PROMPT' --parent SESSION"
            ));
        }
        for member in &members {
            streams.line(family_line(streams.style, &member.shown, member.depth, listed.now))?;
        }
        Ok(Exit::Ok)
    }

    fn word<'a>(&'a self, context: &'a Context) -> Option<&'a str> {
        self.session.as_deref().or(context.caller.as_deref())
    }

    /// The family, and the short id of the session whose it is.
    fn members(
        &self,
        context: &Context,
        tables: &Tables,
        view: &View<'_>,
        word: Option<&str>,
    ) -> Result<(Vec<Member>, Option<String>), Error> {
        let mut docs: Vec<(usize, SessionDoc)> = Vec::new();
        let root = match word {
            Some(word) => Some(tables.select(context, view, word)?),
            None => None,
        };
        match &root {
            Some(root) => self.below(view, root.sid, 0, &mut docs)?,
            None => {
                for (sid, _) in views::roots(view)? {
                    docs.extend(views::session_doc(view, sid)?.map(|doc| (0, doc)));
                    self.below(view, sid, 1, &mut docs)?;
                }
            }
        }
        let (mut lives, now) = (tables.lives(), tables.now());
        let mut members = Vec::new();
        for (depth, doc) in docs {
            if self.all || !(doc.archived || doc.activity_state == "stopped") {
                members.push(Member { depth, shown: show(view, &mut lives, doc, now)? });
            }
        }
        Ok((members, root.map(|root| root.session.id)))
    }

    fn below(
        &self,
        view: &View<'_>,
        sid: Sid,
        depth: usize,
        docs: &mut Vec<(usize, SessionDoc)>,
    ) -> Result<(), StoreError> {
        if self.recursive {
            let family = views::descendants(view, sid)?;
            docs.extend(family.into_iter().map(|(below, doc)| (depth + below - 1, doc)));
        } else {
            docs.extend(views::children(view, sid)?.into_iter().map(|doc| (depth, doc)));
        }
        Ok(())
    }

    /// Shows the family again whenever it changes: in place at a terminal, else what changed.
    fn follow(&self, context: &Context, streams: &mut Streams) -> Result<Exit, Error> {
        let mut follow = Follow::new(context);
        let mut before: HashMap<String, String> = HashMap::new();
        let mut drawn = 0;
        let mut word = self.word(context).map(str::to_owned);
        loop {
            let tables = follow.next(streams)?;
            let view = tables.view()?;
            let seq = view.checkpoint()?;
            let (members, root) = self.members(context, tables, &view, word.as_deref())?;
            // What @last means may change; whose family is followed does not.
            word = word.and(root);
            drop(view);
            let now = now_micros();
            if !context.json && streams.is_terminal() {
                let mut lines = Vec::new();
                for member in &members {
                    lines.push(family_line(streams.style, &member.shown, member.depth, now));
                }
                drawn = streams.redraw(drawn, &lines)?;
                follow.pause(streams, std::time::Duration::from_millis(500))?;
                continue;
            }
            for member in &members {
                let key = fingerprint(&member.shown);
                let known = before.insert(member.shown.doc.id.clone(), key.clone());
                if known.as_ref() == Some(&key) {
                    continue;
                }
                if context.json {
                    let session = &member.shown;
                    streams.json_line(&Changed { schema: "sm.child/1", seq, session })?;
                } else {
                    streams.line(family_line(streams.style, &member.shown, member.depth, now))?;
                }
            }
            streams.flush()?;
            follow.wait(streams)?;
        }
    }
}

/// What must change for a session to be shown again.
fn fingerprint(shown: &SessionShown) -> String {
    let doc = &shown.doc;
    let last = doc.last_action.as_ref().map(|last| (&last.summary, last.status));
    format!(
        "{:?}",
        (doc.activity_state, doc.cause_seq, doc.outcome, doc.health, doc.live, &doc.name, last)
    )
}
