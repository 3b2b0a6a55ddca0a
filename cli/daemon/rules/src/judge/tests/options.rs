//! Options of programs: which of them run, write or change something.

use super::*;

#[test]
fn options_that_are_not_known_to_start_nothing_ask() {
    let by = |words: &str| {
        let words: Vec<&str> = words.split('|').collect();
        rules(&format!("[[rule]]\ndecision='accept'\ncommand={words:?}\n"))
    };
    for (words, text) in [
        ("tmux|ls", "tmux ls ';' run-shell 'touch x'"),
        ("tmux|ls", "tmux ls \\; new-session x"),
        ("tmux|ls", "tmux ls 'a;' new-session x"),
        ("tmux|ls", "tmux ls -F '#(touch x)'"),
        ("tmux|ls", "tmux ls -F '#{E:@x}'"),
        ("tmux", "tmux '-ctouch x'"),
        ("git", "git bisect view git -c alias.x='!touch pwn #' x"),
        ("git", "git bisect visualize x"),
        ("git", "git bisect run x"),
        ("git", "git bisect replay x"),
        ("git", "git cherry-pick --strategy=evil o"),
        ("git", "git revert --strat evil o"),
        ("git", "git archive --remote='ext::sh -c x' HEAD"),
        ("git", "git archive --remote 'ext::sh -c x' HEAD"),
        ("gcc", "gcc @args"),
        ("g++-12", "g++-12 @args"),
        ("x86_64-linux-gnu-gcc", "x86_64-linux-gnu-gcc -B. x.c"),
        ("clang", "clang @args"),
        ("javac", "javac @args"),
        ("rustc", "rustc @args"),
        ("gcc", "gcc -B. x.c"),
        ("gcc", "gcc -B . x.c"),
        ("gcc", "gcc -wrapper ./x x.c"),
        ("gcc", "gcc -fplugin=./x.so x.c"),
        ("gcc", "gcc -fuse-ld=./x x.c"),
        ("gcc", "gcc -Wl,-plugin,./x.so x.c"),
        ("gcc", "gcc -specs=x x.c"),
        ("clang", "clang -Xclang -load -Xclang ./x.so x.c"),
        ("clang", "clang --ld-path=./x x.c"),
        ("clang", "clang -fpass-plugin=./x.so x.c"),
        ("rustc", "rustc -Zcodegen-backend=x y.rs"),
        ("rustc", "rustc -Clinker=./x y.rs"),
        ("rustc", "rustc --extern x=./x.so y.rs"),
        ("rustc", "rustc --target ./x.json y.rs"),
        ("javac", "javac -J-javaagent:x.jar X.java"),
        ("javac", "javac -processorpath . X.java"),
        ("less", "less --lesskey-file=lk.bin x.c"),
        ("less", "less -k lk.bin x.c"),
        ("less", "less -x4klk.bin x.c"),
        ("zip", "zip a.zip x.c -T -TT./z.sh"),
        ("zip", "zip a.zip x.c -T -TT ./z.sh"),
        ("zip", "zip a.zip x.c -rTT ./z.sh"),
        ("man", "man -C man.conf -l x.1"),
        ("man", "man -lCman.conf x.1"),
        ("man", "man --config-file=man.conf -l x.1"),
        ("node", "node --test --test-reporter=./rep.cjs"),
        ("node", "node --env-file=e.env y.js"),
        ("node", "node -r ./x.cjs y.js"),
        ("node|--require|./a.cjs", "node --require ./a.cjs -e x"),
        ("perl", "perl -e x"),
        ("perl", "perl -wne x"),
        ("ruby", "ruby -rx y.rb"),
        ("php", "php --run x"),
        ("vim", "vim -u ev.vim f"),
        ("vim", "vim -uev.vim f"),
        ("vim", "vim f -S ev.vim"),
        ("nvim", "nvim -l x.lua"),
        ("emacs", "emacs --script x.el"),
        ("gdb", "gdb -batch --init-eval-command='shell touch x'"),
        ("gdb", "gdb '-iex=shell touch x'"),
        ("gdb|./x", "gdb ./x -iex 'shell touch x'"),
        ("sftp", "sftp -b f host"),
        ("scp", "scp -oProxyCommand=x a b:"),
        ("diff3", "diff3 --diff-program=x a b c"),
        ("sdiff", "sdiff --diff-prog=x a b"),
        ("apt-get", "apt-get -o APT::Update::Pre-Invoke::=x update"),
        ("apt-get", "apt-get -yoAPT::Update::Pre-Invoke::=x update"),
    ] {
        assert_eq!(says(&by(words), &command(text)), Decision::Ask, "{text}");
    }
    for (words, text) in [
        ("tmux|ls", "tmux ls -F '#{session_name}'"),
        ("tmux", "tmux --version"),
        ("git", "git status"),
        ("git", "git diff --stat HEAD~1"),
        ("git", "git log --oneline -5"),
        ("git", "git commit -am 'a; b'"),
        ("git", "git bisect good"),
        ("git", "git cherry-pick -x a"),
        ("git", "git archive --remote=origin HEAD"),
        ("cargo", "cargo build --release"),
        ("gcc", "gcc -O2 -Wall -c x.c -o x.o"),
        ("gcc", "gcc -std=c11 -Wextra -Wno-unused -Werror=return-type -g3 -fPIC -shared x.c -lm"),
        ("g++", "g++ -Iinclude -DNDEBUG=1 -march=native -fsanitize=address -MMD -MF x.d x.cc"),
        ("x86_64-linux-gnu-gcc", "x86_64-linux-gnu-gcc -m32 -pthread x.c"),
        ("rustc", "rustc --edition 2024 -O x.rs -o x"),
        ("javac", "javac -d out -Xlint:all X.java"),
        ("less", "less -SR x.c"),
        ("zip", "zip -qr a.zip src"),
        ("man", "man ls"),
        ("man", "man 3 printf"),
        ("man", "man -k x"),
        ("node", "node x.js"),
        ("node", "node x.js -e --require=y"),
        ("node", "node --test"),
        ("node", "node --max-old-space-size=4096 x.js"),
        ("perl", "perl -w x.pl -e"),
        ("ruby", "ruby x.rb --run"),
        ("vim|f", "vim f"),
        ("vim|f", "vim f -R"),
        ("nvim|-d", "nvim -d a b"),
        ("vim", "vim --version"),
        ("scp", "scp -r -P 22 a b:"),
        ("sdiff", "sdiff a b"),
        ("apt-get", "apt-get update"),
        ("curl", "curl https://h/x"),
        ("curl", "curl 'https://h/{a,b}'"),
    ] {
        accepts(&by(words), text);
    }
}

#[test]
fn what_a_tool_is_told_to_run_by_an_option_asks() {
    let by = |words: &str, path: &str| {
        let words: Vec<&str> = words.split('|').collect();
        rules(&format!("[[rule]]\ndecision='accept'\ncommand={words:?}\n{path}"))
    };
    for (words, text) in [
        ("pylint", "pylint --init-hook='import os' x.py"),
        ("pylint", "pylint --init-ho x x.py"),
        ("pylint", "pylint {--init-hook=x,x.py}"),
        ("hg|status", "hg status --config hooks.pre-status='touch p'"),
        ("hg|log", "hg log --config extensions.e=./e.py"),
        ("hg", "hg bisect -c 'touch p'"),
        ("ctest", "ctest -S e.cmake"),
        ("meson|test", "meson test --wrapper ./evil"),
        ("meson|test", "meson test -C b --wrap='rm -rf x'"),
        ("meson|test", "meson test -C b --wrap rm"),
        ("meson|test", "meson test -C b --wra rm"),
        ("meson|test", "meson test -C b --w"),
        ("flake8", "flake8 --append-c=fl.cfg"),
        ("flake8", "flake8 --append fl.cfg"),
        ("lcov", "lcov --gcov-t ./x"),
        ("lcov", "lcov --gcov ./x"),
        ("gpg|--verify", "gpg --verify --agent-pro ./x"),
        ("gpg|--verify", "gpg --verify --agent ./x"),
        ("frobnicate", "frobnicate --wrap ./evil"),
        ("frobnicate", "frobnicate --post-h ./evil"),
        ("cmake|--build", "cmake --build b -- SHELL=./evil"),
        ("cmake", "cmake --build b -- CC=./evil"),
        ("ag", "ag --pager './evil' x"),
        ("ack", "ack --pager=id x"),
        ("bat", "bat --pager id --paging=always f"),
        ("svn|diff", "svn diff --diff-cmd ./evil"),
        ("mypy", "mypy --python-executable ./evil x"),
        ("mypy", "mypy @args"),
        ("prettier|--check", "prettier --check . --plugin=./evil.js"),
        ("npx|prettier", "npx prettier --check . --plugin=./evil.js"),
        ("uv|run|pylint", "uv run pylint --init-hook=x x.py"),
        ("python3|-m|pylint", "python3 -m pylint --init-hook=x x.py"),
        ("python3", "python3 -mpylint --init-hook=x x.py"),
        ("rake|test", "rake test -e 'system(\"id\")'"),
        ("bazel|test", "bazel test --run_under=./evil //..."),
        ("helm|template", "helm template --post-renderer ./evil x"),
        ("rpm|-q", "rpm -q --pipe id"),
        ("rpm", "rpm -E '%(id)'"),
        ("nm", "nm --plugin ./evil.so x"),
        ("nm", "nm @args"),
        ("tcpdump", "tcpdump -z ./evil -w x"),
        ("jj|log", "jj log --tool ./evil"),
        ("jj", "jj util exec -- touch p"),
        ("gh", "gh alias set --shell x 'rm -rf ~'"),
        ("gh", "gh x"),
        ("gh", "gh repo clone a/b -- -c core.sshCommand=x"),
        ("pnpm|run", "pnpm run --config.script-shell=./evil lint"),
        ("java", "java -XX:OnError='touch p' Main"),
        ("frobnicate", "frobnicate --on-change 'touch p'"),
        ("./frobnicate", "./frobnicate --plug=./evil"),
    ] {
        for path in ["", "path='/repo'"] {
            assert_eq!(says(&by(words, path), &command(text)), Decision::Ask, "{text}");
        }
    }
    for (words, text) in [
        ("pylint", "pylint -j 4 --disable=all src"),
        ("pylint|--init-hook=x", "pylint --init-hook=x src"),
        ("hg", "hg status -v"),
        ("ctest", "ctest --output-on-failure -j8 -R foo"),
        ("meson|test", "meson test -C build --verbose"),
        ("cmake|--build", "cmake --build b -j8"),
        ("bat", "bat --paging=never src/*"),
        ("svn", "svn diff -r 1:2"),
        ("mypy", "mypy --strict src"),
        ("prettier", "prettier --check src --ignore-path x"),
        ("npx|prettier", "npx prettier --check src"),
        ("uv|run|pytest", "uv run pytest --import-mode=importlib"),
        ("python3|-m|pytest", "python3 -m pytest --import-mode=importlib"),
        ("rake", "rake test"),
        ("bazel|test", "bazel test --config=ci //..."),
        ("helm|lint", "helm lint chart"),
        ("rpm|-q", "rpm -q --queryformat x bash"),
        ("nm", "nm -D x.so"),
        ("tcpdump", "tcpdump -nn -c 5"),
        ("jj", "jj log -r main"),
        ("gh", "gh issue list --assignee @me"),
        ("npm|run", "npm run lint -- --config x"),
        ("npm", "npm --version"),
        ("java", "java -cp out Main --config x"),
        ("ruff|check", "ruff check --fix --config x.toml"),
        ("frobnicate", "frobnicate --verbose --dry-run --no-config -x"),
        ("frobnicate|--config", "frobnicate --config x"),
        ("frobnicate", "frobnicate --page 2 --wrap=80 --to x --edit"),
        ("meson|setup", "meson setup b --wrap-mode=nofallback"),
        ("flake8", "flake8 --max-line-length=100 src"),
        ("lcov", "lcov --capture --directory . --output-file x.info"),
        ("gpg|--verify", "gpg --verify x.sig x"),
        ("pandoc", "pandoc --to html --wrap=none x.md"),
        ("prettier", "prettier --prose-wrap always x.md"),
    ] {
        accepts(&by(words, ""), text);
    }
}

#[test]
fn a_rule_that_lists_is_of_no_change() {
    for path in ["", "path='/repo'"] {
        let by = |words: &str| {
            let words: Vec<&str> = words.split('|').collect();
            rules(&format!("[[rule]]\ndecision='accept'\ncommand={words:?}\n{path}"))
        };
        for (words, text) in [
            ("git|remote|-v", "git remote -v set-url origin https://evil"),
            ("git|remote|-v", "git remote -v remove o"),
            ("git|branch|-vv", "git branch -vv -f main HEAD"),
            ("git|branch|-v", "git branch -v -m b9"),
            ("git|tag|-l", "git tag -l -d v1"),
            ("xargs|git|tag|-l", "xargs git tag -l -d"),
        ] {
            assert_eq!(says(&by(words), &command(text)), Decision::Ask, "{text}");
        }
        for (words, text) in [
            ("git|remote|-v", "git remote -v"),
            ("git|branch|-vv", "git branch -vv --list feat"),
            ("git|tag|-l", "git tag -l --sort=x v1"),
            ("git|branch", "git branch new"),
            ("git|branch|-D", "git branch -D old"),
        ] {
            accepts(&by(words), text);
        }
    }
}

#[test]
fn a_rule_without_words_is_of_what_runs_here_and_as_oneself() {
    let own = rules("[[rule]]\ndecision='accept'\npath='/repo'\n");
    for text in [
        "sudo ls",
        "runuser -u root x",
        "su root",
        "setpriv --reuid=0 x",
        "nsenter -t 1 x",
        "docker exec c x",
        "kubectl exec p x",
        "systemd-run x",
        "tmux new -d x",
        "crontab f",
        "at -f x now",
        "find . -exec su root ';'",
        "nice docker exec c x",
    ] {
        assert_eq!(says(&own, &command(text)), Decision::Ask, "{text}");
    }
    for text in ["ls", "make all", "npm test", "git status", "timeout 5 cargo build"] {
        accepts(&own, text);
    }
    let named = rules("[[rule]]\ndecision='accept'\ncommand=['docker','exec','c']\n");
    assert_eq!(says(&named, &command("docker exec c x")), Decision::Accept);
}

#[test]
fn what_is_done_every_day_is_accepted() {
    let by = |words: &str| {
        let one = |word: &str| {
            format!("[[rule]]\ndecision='accept'\ncommand={:?}\npath='/repo'\n", [word])
        };
        rules(&words.split(' ').map(one).collect::<String>())
    };
    for (words, text) in [
        ("[ cat", "[ -f a ] && cat a"),
        ("[", "[ a = b ]"),
        ("date", "date -Iseconds"),
        ("git", "git diff HEAD~1 -- src/"),
        ("git", "git log main~3..HEAD~1 --stat"),
        ("awk", "awk 'NR<10' f"),
        ("awk", "awk '$3>5{print}' f"),
        ("cargo", "RUST_BACKTRACE=1 cargo test"),
        ("command", "command -v node"),
        ("env", "env"),
        ("make", "make VERBOSE=1 all"),
    ] {
        accepts(&by(words), text);
    }
    for (words, text) in [
        ("[ cat", "[ -f /etc/x ] && cat a"),
        ("[", "[ -f a* ]"),
        ("[", "[ -v 'a[$(x)]' ]"),
        ("git", "git diff ../x~1"),
        ("git", "git diff link~1"),
        ("git", "git diff ~1"),
        ("git", "git diff a~b"),
        ("cat", "cat HEAD~1"),
        ("awk", "awk '$3>5{print > $1}' f"),
        ("cargo", "RUSTC_WRAPPER=./x cargo test"),
        ("command", "command rm x"),
        ("env xargs", "xargs env"),
        ("make", "make V=x"),
        ("make", "make CC=1"),
    ] {
        assert_eq!(says(&by(words), &command(text)), Decision::Ask, "{text}");
    }
}
