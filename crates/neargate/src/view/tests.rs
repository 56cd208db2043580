use super::*;

#[test]
fn columns_line_up_and_empty_ones_are_left_out() {
    let mut table = Table::new(&["TASK", "NOTE", ">MEM", "STATUS"]);
    table.row(vec![
        Cell::strong("a1"),
        "-".into(),
        "5MiB".into(),
        Cell::state("RUNNING"),
    ]);
    table.row(vec![
        Cell::strong("b22222"),
        "".into(),
        "12MiB".into(),
        Cell::state("PENDING"),
    ]);
    let wanted = [
        "TASK      MEM  STATUS",
        "a1       5MiB  RUNNING",
        "b22222  12MiB  PENDING",
    ];
    assert_eq!(table.lines(Paint::NONE, None), wanted);
    let painted = table.lines(Paint::COLOURS, None);
    assert!(painted[1].contains("\x1b[38;5;2mRUNNING"), "{painted:?}");
}

#[test]
fn a_table_is_no_wider_than_the_terminal() {
    let mut table = Table::new(&["TASK", "ZONE?", "AGE?", "WHY"]);
    let why = "Essential container in task exited, and nobody knows why it did";
    table.row(vec![
        Cell::strong("a1"),
        "us-east-1a".into(),
        "2m".into(),
        why.into(),
    ]);
    assert_eq!(table.lines(Paint::NONE, Some(90)).len(), 2);
    let narrow = table.lines(Paint::NONE, Some(70));
    assert_eq!(narrow[1], format!("a1    {why}"), "what may go has gone");
    for width in [40, 30] {
        let lines = table.lines(Paint::COLOURS, Some(width));
        assert!(lines.len() > 2, "{lines:?}");
        let plain = table.lines(Paint::NONE, Some(width));
        assert!(
            plain.iter().all(|l| l.chars().count() <= width),
            "{plain:?}"
        );
    }
}

#[test]
fn ages_and_sizes_are_short() {
    let at = |s: i64| Some(Timestamp::from_millis(s * 1_000));
    let now = Timestamp::from_millis(1_000_000_000);
    assert_eq!(age(at(999_958), now), "42s");
    assert_eq!(age(at(1_000_000 - 125), now), "2m05s");
    assert_eq!(age(at(1_000_000 - 11_520), now), "3h12m");
    assert_eq!(age(at(1_000_000 - 446_400), now), "5d4h");
    assert_eq!(age(at(1_000_001), now), "0s", "a clock that is behind");
    assert_eq!(age(None, now), "-");
    assert_eq!(
        (bytes(512), bytes(1536), bytes(12_897_485)),
        ("512B".into(), "1.5KiB".into(), "12.3MiB".into())
    );
    assert_eq!(bytes(1_073_741_823), "1.0GiB");
}

#[test]
fn terminals_are_not_driven_by_what_is_shown() {
    assert_eq!(plain("a\tb\r"), "a\tb\\r");
    assert_eq!(plain("a\x1b[2Jb"), "a\\u{1b}[2Jb\x1b[0m");
    assert_eq!(plain("\x1b[31mred"), "\x1b[31mred\x1b[0m");
    assert_eq!(plain("\x1b]0;title\x07"), "\\u{1b}]0;title\\u{7}\x1b[0m");
}

#[test]
fn long_lines_go_on_below() {
    assert_eq!(wrapped("one two three", 9, "  "), "one two\n  three");
    assert_eq!(
        wrapped("one  two", 4, "  "),
        "one\n  two",
        "no blanks at ends"
    );
    assert_eq!(
        wrapped("\x1b[31mone\x1b[0m two", 7, "  "),
        "\x1b[31mone\x1b[0m two"
    );
    assert_eq!(
        wrapped("unbreakable words", 5, "  "),
        "unbreakable\n  words"
    );
}

#[test]
fn lines_are_cut_where_they_would_wrap() {
    assert_eq!(cut("abcdef", 4), "abcd");
    assert_eq!(cut("\x1b[31mabcdef\x1b[0m", 4), "\x1b[31mabcd\x1b[0m");
    assert_eq!(cut("abc", 4), "abc");
}
