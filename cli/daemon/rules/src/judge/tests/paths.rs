//! What lies under a rule's path.

use super::*;

#[test]
fn a_path_is_of_the_arguments_too() {
    let own = rules(
        "[[rule]]\ndecision='accept'\ncommand='touch'\npath='/repo'\n\
         [[rule]]\ndecision='accept'\ncommand='cat /etc/motd'\npath='/repo/**'\n",
    );
    for text in [
        "touch x src/x ./y --date=2020-01-01 -t 1.5",
        "touch /repo/x a/../b",
        "cd src && touch ../x",
        "touch -r /dev/null x",
        "touch a=b c:d https://example.org/x",
        "cat /etc/motd",
        "cat /etc/motd README.md",
    ] {
        assert_eq!(says(&own, &command(text)), Decision::Accept, "{text}");
    }
    for text in [
        "touch /etc/x",
        "touch x ../x",
        "touch x --reference=/etc/x",
        "touch -r/etc/x",
        "touch -r../x",
        "touch a:/etc/x a,/etc/x @/etc/x",
        "touch file:///etc/x",
        "touch https://example.org,/etc/x",
        "touch a=//etc/x",
        "touch ~/x",
        "touch '~/x'",
        "touch *",
        "touch {a,/etc/x}",
        "touch link/x",
        "touch link",
        "cd src && touch ../../x",
        "cat /etc/motd /etc/passwd",
    ] {
        assert_eq!(says(&own, &command(text)), Decision::Ask, "{text}");
    }
    let judged = judge(&own, &command("touch /etc/x"), 1_000, &real);
    assert!(judged.why.contains("/etc/x may be beyond it"), "{}", judged.why);
}

#[test]
fn what_lies_outside_is_not_accepted_by_a_rule_with_a_path() {
    let own = rules(
        "[[rule]]\ndecision='accept'\ncommand='cat'\npath='/repo'\n\
         [[rule]]\ndecision='accept'\ncommand='echo'\npath='/repo'\n\
         [[rule]]\ndecision='accept'\ncommand='grep'\npath='/repo'\n\
         [[rule]]\ndecision='accept'\ncommand='true'\n\
         [[rule]]\ndecision='accept'\ncommand='cp'\npath='/repo'\n",
    );
    for text in [
        "cat a/../b",
        "cat < in",
        "cd sub && cat x | grep y",
        "grep -rn x src",
        "cp --target=sub/x -v a",
        "true || cd sub && cat x",
        "echo hi >> sub/../out",
    ] {
        assert_eq!(says(&own, &command(text)), Decision::Accept, "{text}");
    }
    for text in [
        "cat link/../etc/shadow",
        "cp x link/../etc/y",
        "echo hi > link/../etc/zz",
        "cat < /etc/shadow",
        "cat < link/../x",
        "cat <link/shadow",
        "cat new/../x",
        "cat https://../../etc/shadow",
        "cd link/.. && cat x",
        "/bin/zsh -lc 'echo hi >!/etc/x'",
        "/bin/zsh -lc 'echo hi &>!/etc/x'",
        "grep -fplink x",
        "grep -rfplink x",
        "grep -f/etc/x y",
        "cat 'x /etc/shadow'",
    ] {
        assert_eq!(says(&own, &command(text)), Decision::Ask, "{text}");
    }
    let in_etc = |text: &str| {
        let mut subject = command(text);
        if let What::Command { cwd, .. } = &mut subject.what {
            *cwd = Some("/etc".into());
        }
        says(&own, &subject)
    };
    assert_eq!(in_etc("cd /repo && cat passwd"), Decision::Accept);
    for text in [
        "cd /repo | cat passwd",
        "cd /repo & cat passwd",
        "cd . || cd /repo && cat passwd",
        "true || cd /repo && cat passwd",
        "cd /repo; cat passwd",
    ] {
        assert_eq!(in_etc(text), Decision::Ask, "{text}");
    }
}

#[test]
fn a_place_that_a_program_makes_up_is_not_sure() {
    let path = |program: &str| {
        rules(&format!("[[rule]]\ndecision='accept'\ncommand={program:?}\npath='/repo'\n"))
    };
    for (program, text) in [
        ("curl", "curl 'localhost:8000/{..,x}' -o '#1/evil'"),
        ("curl", "curl -g localhost:8000/x -o '#1/evil'"),
        ("curl", "curl 'file:{/}etc/passwd'"),
        ("curl", "curl 'file:[/-/]etc/passwd'"),
        ("curl", "curl -o -g 'file:{/}etc/passwd'"),
        ("curl", "curl -g x --next 'file:{/}etc/passwd'"),
        ("curl", "curl -g --no-globoff 'file:{/}etc/passwd'"),
        ("curl", "curl localhost -T '{/etc/passwd,b}'"),
        ("curl", "curl localhost -F 'f=<{/}etc/passwd'"),
        ("sqlite3", "sqlite3 -readonly a.db 'attach [/etc/x.db] as y; select 1'"),
        ("sqlite3", "sqlite3 a.db \"attach x'2f65' as y\""),
        ("sqlite3", "sqlite3 a.db \"vacuum into x'2f65'\""),
        ("sqlite3", "sqlite3 a.db \"ATTACH char(47)||'etc/x' as y\""),
        ("sqlite3", "sqlite3 a.db \"select readfile(char(47)||'etc/x')\""),
        ("sqlite3", "sqlite3 a.db .tables"),
    ] {
        assert_eq!(says(&path(program), &command(text)), Decision::Ask, "{text}");
    }
    for (program, text) in [
        ("curl", "curl https://h/x"),
        ("curl", "curl -g 'https://h/[x]'"),
        ("sqlite3", "sqlite3 ./a.db 'select [x] from y; vacuum'"),
        ("sqlite3", "sqlite3 -json a.db 'insert into y values (1)'"),
    ] {
        accepts(&path(program), text);
    }
    let declined = rules(SECRET);
    assert_eq!(says(&declined, &command("curl 'file:{/}repo/secret'")), Decision::Ask);
}

#[test]
fn an_argument_counts_from_where_its_program_goes() {
    let path = |program: &str| {
        rules(&format!("[[rule]]\ndecision='accept'\ncommand={program:?}\npath='/repo'\n"))
    };
    for (program, text) in [
        ("curl", "curl FILE:///etc/shadow"),
        ("curl", "curl file:///repo/%2e%2e/secret"),
        ("curl", "curl 'file:///repo/[.-.][.-.]/secret'"),
        ("curl", "curl unix:///etc/x"),
        ("cp", "cp %2Fetc/x y"),
        ("tar", "cd a/b/c && tar -C ../../.. -cf o.tar ../secret"),
        ("tar", "cd a/b/c && tar --directory=../../.. -cf o.tar ../secret"),
        ("tar", "cd a/b/c && tar xCf ../../.. ../secret"),
        ("tar", "cd a/b && tar -C .. -C .. -cf o.tar ../secret"),
        ("git", "cd a/b/c && git -C ../../.. diff --no-index ../x ../y"),
        ("make", "cd a/b && make -C../.. -f ../evil.mk"),
    ] {
        assert_eq!(says(&path(program), &command(text)), Decision::Ask, "{text}");
    }
    for (program, text) in [
        ("curl", "curl https://example.org/a%20b"),
        ("curl", "curl file:///repo/a%20b"),
        ("tar", "cd a/b && tar -C .. -cf o.tar ../x"),
        ("git", "git -C sub diff --no-index a/x y"),
        ("grep", "cd a && grep -C 3 x ../b"),
        ("make", "cd a && make -C .. all"),
        ("date", "date +%F"),
    ] {
        accepts(&path(program), text);
    }
    let declined = rules(SECRET);
    assert_eq!(says(&declined, &command("cd a && tar -C .. -cf x ./secret")), Decision::Decline);
}

#[test]
fn the_settings_of_the_home_are_beyond_a_path() {
    let by = |words: &str| {
        let words: Vec<&str> = words.split('|').collect();
        rules(&format!("[[rule]]\ndecision='accept'\ncommand={words:?}\npath='/repo'\n"))
    };
    for (words, text) in [
        ("git", "git config --global user.name x"),
        ("git|config", "git config --global --add user.x y"),
        ("git|config", "git config --system user.name x"),
        ("git|config", "git config set --glob user.name x"),
        ("git", "git-config --global user.name x"),
        ("git|config", "git config --global branch.main.mergeoptions '-s evil'"),
    ] {
        assert_eq!(says(&by(words), &command(text)), Decision::Ask, "{text}");
    }
    for (words, text) in [
        ("git", "git config user.name x"),
        ("git|config", "git config --local --add user.x y"),
        ("git|config|--global", "git config --global user.name x"),
        ("git", "git log --grep config --all"),
    ] {
        accepts(&by(words), text);
    }
}

#[test]
fn a_rule_without_a_path_is_of_no_change_by_what_else_only_looks() {
    let by = |words: &str| {
        let words: Vec<&str> = words.split('|').collect();
        rules(&format!("[[rule]]\ndecision='accept'\ncommand={words:?}\n"))
    };
    for (words, text) in [
        ("ls", "ls > x"),
        ("git|log", "git log --output=/etc/x"),
        ("git", "git log --output /etc/x"),
        ("find", "find . -fprintf x y"),
        ("find", "find . -delete"),
        ("sort", "sort -ox y"),
        ("sed", "sed -i s/a/b/ f"),
        ("uniq", "uniq a b"),
        ("uniq", "uniq {/tmp/evil,/home/me/.bashrc}"),
        ("uniq", "uniq a?"),
        ("xxd", "xxd *"),
        ("xxd|-l|4", "xxd -l 4 {a,b}"),
        ("tree", "tree {-o,/home/me/.bashrc}"),
        ("tree", "tree ?oout"),
        ("file", "file {-C,-m,x}"),
        ("date", "date -?x"),
        ("date", "date 11220102"),
        ("hostname", "hostname --file=/tmp/x"),
        ("sort", "sort -T -- -o x"),
    ] {
        assert_eq!(says(&by(words), &command(text)), Decision::Ask, "{text}");
    }
    for (words, text) in [
        ("find", "find . -name x"),
        ("find|.|-delete", "find . -delete"),
        ("sed|-i", "sed -i s/a/b/ f"),
        ("git", "git commit -m x"),
        ("git", "git clean -n"),
        ("git|log", "git log -p"),
        ("rm", "rm x"),
        ("sort", "sort -u y"),
        ("sort|-o", "sort -o x x"),
        ("uniq", "uniq -c -f 1 x"),
        ("xxd", "xxd -l 64 x"),
        ("tree", "tree -L 2 src"),
        ("file", "file src/* x"),
        ("date", "date -Iseconds"),
        ("date", "date -u +%F"),
        ("hostname", "hostname -f"),
        ("xargs|file", "xargs file -b"),
    ] {
        accepts(&by(words), text);
    }
    let fed = |program: &str| {
        let one = |word: &str| format!("[[rule]]\ndecision='accept'\ncommand='{word}'\n");
        rules(&["echo", "xargs", program].map(one).concat())
    };
    for (program, text) in [
        ("uniq", "echo /tmp/evil /home/me/.bashrc | xargs uniq"),
        ("tree", "echo -o /home/me/.bashrc | xargs tree"),
        ("xxd", "echo -r a b | xargs xxd"),
        ("xxd", "echo a | xargs -I% xxd % b"),
        ("file", "echo -C -m x | xargs file"),
    ] {
        assert_eq!(says(&fed(program), &command(text)), Decision::Ask, "{text}");
    }
    accepts(&fed("file"), "echo a | xargs file --");
    accepts(&fed("wc"), "echo a | xargs wc -l");
    let judged = by("find");
    let judged = judge(&judged, &command("find . -delete"), 1_000, &real);
    assert!(judged.why.contains("has no path, and it"), "{}", judged.why);
}

#[test]
fn what_goes_through_folders_stays_below_the_path() {
    let by = |words: &str| {
        let words: Vec<&str> = words.split('|').collect();
        rules(&format!("[[rule]]\ndecision='accept'\ncommand={words:?}\npath='/repo'\n"))
    };
    for (words, text) in [
        ("find", "find -L . -type f -delete"),
        ("find", "find . -delete"),
        ("find", "find . -name x -delete"),
        ("find|-L", "find -L . -delete"),
        ("chmod", "chmod -R -L 777 sub"),
        ("chown", "chown -RH me sub"),
        ("cp", "cp -rL a b"),
        ("rsync", "rsync -aK a/ b"),
        ("tar", "tar -xPf a.tar"),
        ("tar", "tar chf a.tar sub"),
        ("unzip", "unzip -: a.zip"),
    ] {
        let own = by(words);
        let judged = judge(&own, &command(text), 1_000, &real);
        assert_eq!(judged.decision, Decision::Ask, "{text}");
        assert!(judged.why.contains("finds may be beyond it"), "{text}: {}", judged.why);
    }
    for (words, text) in [
        ("find", "find -L . -name x"),
        ("find|.|-delete", "find . -delete"),
        ("find|-L|.|-delete", "find -L . -delete"),
        ("cp", "cp -r a new"),
        ("tar", "tar -xzf a.tgz"),
        ("rg", "rg --follow x"),
    ] {
        accepts(&by(words), text);
    }
}

#[test]
fn what_is_changed_below_a_folder_is_guarded_there() {
    let own = rules(
        "[[rule]]\ndecision='accept'\ncommand='rm'\npath='/repo'\n\
         [[rule]]\ndecision='accept'\ncommand='mv'\npath='/repo'\n\
         [[rule]]\ndecision='accept'\ncommand='chmod'\npath='/repo'\n",
    );
    // Of guarded folders there is one alone.
    let real = |path: &Path| {
        followed(path, &|path| match path.to_str() {
            Some("/repo/sub/.git") => Found::Plain,
            Some(text) if text.ends_with(".git") || text.contains("/.") => Found::Missing,
            _ => Found::Plain,
        })
    };
    let says = |text: &str| judge(&own, &command(text), 1_000, &real).decision;
    for text in ["rm -rf sub", "rm --recursive ./sub/", "mv sub x", "chmod -R 777 sub"] {
        assert_eq!(says(text), Decision::Ask, "{text}");
    }
    for text in ["rm -rf target", "rm sub/x", "mv a b", "chmod 644 sub/x", "chmod -R u+w target"] {
        assert_eq!(says(text), Decision::Accept, "{text}");
    }
}

#[test]
fn a_copy_is_not_written_through_a_link_in_its_folder() {
    let own = rules("[[rule]]\ndecision='accept'\ncommand='cp'\npath='/repo'\n");
    let real = |path: &Path| {
        followed(path, &|path| match path.to_str() {
            Some("/repo/dir/a") => Found::Link("/home/me/.bashrc".into()),
            Some(text) if text.starts_with("/repo/b/") => Found::Missing,
            _ => Found::Plain,
        })
    };
    let says = |text: &str| judge(&own, &command(text), 1_000, &real).decision;
    for text in ["cp a dir", "cp x sub/a dir/", "cp -t dir a", "cp --target-directory=dir a x"] {
        assert_eq!(says(text), Decision::Ask, "{text}");
    }
    for text in ["cp a b", "cp x dir", "cp a dir/x"] {
        assert_eq!(says(text), Decision::Accept, "{text}");
    }
}
