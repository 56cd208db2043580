//! Commits, files, differences and merges through the API.

use super::Bench;
use neargate_api_codecommit::{self as api, ops};
use neargate_service::AwsError;
use neargate_testkit::call;

impl Bench {
    async fn put(
        &self,
        branch: &str,
        path: &str,
        content: &str,
        parent: Option<&str>,
    ) -> Result<String, AwsError> {
        let input = api::PutFileInput {
            repository_name: "app".into(),
            branch_name: branch.into(),
            file_path: path.into(),
            file_content: content.to_owned().into(),
            parent_commit_id: parent.map(str::to_owned),
            name: Some("Ann".into()),
            email: Some("ann@example.com".into()),
            ..Default::default()
        };
        let made = call(&*self.table, self.cx(), ops::PutFile, input).await?;
        Ok(made.commit_id.unwrap())
    }

    async fn read(&self, at: &str, path: &str) -> Result<String, AwsError> {
        let input = api::GetFileInput {
            repository_name: "app".into(),
            commit_specifier: Some(at.into()),
            file_path: path.into(),
        };
        let got = call(&*self.table, self.cx(), ops::GetFile, input).await?;
        Ok(String::from_utf8(got.file_content.unwrap().to_vec()).unwrap())
    }

    async fn branch_at(&self, name: &str, commit: &str) {
        let input = api::CreateBranchInput {
            repository_name: "app".into(),
            branch_name: name.into(),
            commit_id: commit.into(),
        };
        call(&*self.table, self.cx(), ops::CreateBranch, input)
            .await
            .unwrap();
    }

    async fn three_way(&self, more: api::MergeBranchesByThreeWayInput) -> Result<String, AwsError> {
        let input = api::MergeBranchesByThreeWayInput {
            repository_name: "app".into(),
            source_commit_specifier: "side".into(),
            destination_commit_specifier: "main".into(),
            ..more
        };
        let made = call(&*self.table, self.cx(), ops::MergeBranchesByThreeWay, input).await?;
        Ok(made.commit_id.unwrap())
    }
}

#[tokio::test]
async fn files_are_put_read_and_deleted() {
    let bench = Bench::new();
    let id = bench.create("app").await;
    let first = bench
        .put("main", "/src/a b.txt", "one\n", None)
        .await
        .unwrap();
    let missing = bench.put("main", "b", "x", None).await.unwrap_err();
    assert_eq!(missing.code, "ParentCommitIdRequiredException");
    let same = bench
        .put("main", "src/a b.txt", "one\n", Some(&first))
        .await
        .unwrap_err();
    assert_eq!(same.code, "SameFileContentException");
    let second = bench
        .put("main", "src/a b.txt", "two\n", Some(&first))
        .await
        .unwrap();
    let late = bench.put("main", "b", "x", Some(&first)).await.unwrap_err();
    assert_eq!(late.code, "ParentCommitIdOutdatedException");
    assert_eq!(bench.read("main", "src/a b.txt").await.unwrap(), "two\n");
    assert_eq!(bench.read(&first, "src/a b.txt").await.unwrap(), "one\n");
    assert_eq!(
        bench.read("main", "none").await.unwrap_err().code,
        "FileDoesNotExistException"
    );
    assert_eq!(
        bench.read("none", "a").await.unwrap_err().code,
        "CommitDoesNotExistException"
    );
    assert_eq!(
        bench.read("main", "../a").await.unwrap_err().code,
        "InvalidPathException"
    );
    // Git sees the same.
    assert_eq!(bench.git(&id, &["show", "main:src/a b.txt"]), "two");
    assert_eq!(
        bench.git(&id, &["log", "--format=%an %ae %s", "-1", "main"]),
        "Ann ann@example.com Edited src/a b.txt"
    );
    bench.git(&id, &["fsck", "--strict"]);
    assert_eq!(bench.git(&id, &["for-each-ref", "refs/neargate"]), "");
    let input = api::GetCommitInput {
        repository_name: "app".into(),
        commit_id: second.clone(),
    };
    let got = call(&*bench.table, bench.cx(), ops::GetCommit, input)
        .await
        .unwrap()
        .commit
        .unwrap();
    assert_eq!(got.parents, Some(vec![first.clone()]));
    assert_eq!(
        got.author.unwrap().date.as_deref(),
        Some("1700000000 +0000")
    );
    let input = api::GetFolderInput {
        repository_name: "app".into(),
        commit_specifier: None,
        folder_path: "/".into(),
    };
    let folder = call(&*bench.table, bench.cx(), ops::GetFolder, input)
        .await
        .unwrap();
    assert_eq!(
        folder.sub_folders.unwrap()[0].absolute_path.as_deref(),
        Some("src")
    );
    let input = api::ListFileCommitHistoryInput {
        repository_name: "app".into(),
        file_path: "src/a b.txt".into(),
        ..Default::default()
    };
    let history = call(&*bench.table, bench.cx(), ops::ListFileCommitHistory, input)
        .await
        .unwrap();
    let history = history.revision_dag.unwrap();
    assert_eq!(history.len(), 2);
    assert_eq!(history[1].revision_children, Some(vec![second.clone()]));
    let input = api::DeleteFileInput {
        repository_name: "app".into(),
        branch_name: "main".into(),
        file_path: "src/a b.txt".into(),
        parent_commit_id: second,
        keep_empty_folders: Some(true),
        ..Default::default()
    };
    call(&*bench.table, bench.cx(), ops::DeleteFile, input)
        .await
        .unwrap();
    assert_eq!(bench.read("main", "src/.gitkeep").await.unwrap(), "");
}

#[tokio::test]
async fn a_commit_of_many_changes_and_what_differs() {
    let bench = Bench::new();
    bench.create("app").await;
    let first = bench.put("main", "a", "a\n", None).await.unwrap();
    let put = |path: &str, content: Option<&str>, source: Option<(&str, bool)>| api::PutFileEntry {
        file_path: path.into(),
        file_mode: Some("EXECUTABLE".into()),
        file_content: content.map(|c| c.to_owned().into()),
        source_file: source.map(|(path, moves)| api::SourceFileSpecifier {
            file_path: path.into(),
            is_move: Some(moves),
        }),
    };
    let input = api::CreateCommitInput {
        repository_name: "app".into(),
        branch_name: "main".into(),
        parent_commit_id: Some(first.clone()),
        put_files: Some(vec![
            put("ä \"q\"/x", Some("new"), None),
            put("moved", None, Some(("a", true))),
        ]),
        ..Default::default()
    };
    let made = call(&*bench.table, bench.cx(), ops::CreateCommit, input.clone())
        .await
        .unwrap();
    assert_eq!(made.files_added.unwrap().len(), 2);
    assert_eq!(
        made.files_deleted.unwrap()[0].absolute_path.as_deref(),
        Some("a")
    );
    let input = api::GetDifferencesInput {
        repository_name: "app".into(),
        before_commit_specifier: Some(first.clone()),
        after_commit_specifier: "main".into(),
        ..Default::default()
    };
    let all = call(
        &*bench.table,
        bench.cx(),
        ops::GetDifferences,
        input.clone(),
    )
    .await
    .unwrap();
    let all: Vec<_> = all.differences.unwrap();
    let told: Vec<_> = all
        .iter()
        .map(|d| {
            let blob = d.after_blob.as_ref().or(d.before_blob.as_ref()).unwrap();
            (
                d.change_type.clone().unwrap(),
                blob.path.clone().unwrap(),
                blob.mode.clone().unwrap(),
            )
        })
        .collect();
    let expected = [
        ("D", "a", "100644"),
        ("A", "moved", "100755"),
        ("A", "ä \"q\"/x", "100755"),
    ];
    assert_eq!(
        told,
        expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()))
    );
    let since = api::GetDifferencesInput {
        before_commit_specifier: None,
        max_results: Some(1),
        ..input
    };
    let page = call(
        &*bench.table,
        bench.cx(),
        ops::GetDifferences,
        since.clone(),
    )
    .await
    .unwrap();
    assert_eq!(page.differences.unwrap().len(), 1);
    let rest = api::GetDifferencesInput {
        next_token: page.next_token,
        ..since
    };
    let page = call(&*bench.table, bench.cx(), ops::GetDifferences, rest)
        .await
        .unwrap();
    assert_eq!(
        (page.differences.unwrap().len(), page.next_token),
        (1, None)
    );
}

#[tokio::test]
async fn branches_are_merged_by_files_and_by_lines() {
    let bench = Bench::new();
    let id = bench.create("app").await;
    let lines: String = (0..20).map(|n| format!("{n}\n")).collect();
    let base = bench.put("main", "text", &lines, None).await.unwrap();
    bench.branch_at("side", &base).await;
    let side = bench
        .put(
            "side",
            "text",
            &lines.replace("\n2\n", "\ntwo\n"),
            Some(&base),
        )
        .await
        .unwrap();
    // While only one side moves, it is a fast forward.
    let options = api::GetMergeOptionsInput {
        repository_name: "app".into(),
        source_commit_specifier: "side".into(),
        destination_commit_specifier: "main".into(),
        ..Default::default()
    };
    let got = call(
        &*bench.table,
        bench.cx(),
        ops::GetMergeOptions,
        options.clone(),
    )
    .await
    .unwrap();
    assert_eq!(got.merge_options.unwrap().len(), 3);
    let main = bench
        .put(
            "main",
            "text",
            &lines.replace("\n15\n", "\nfifteen\n"),
            Some(&base),
        )
        .await
        .unwrap();
    let got = call(&*bench.table, bench.cx(), ops::GetMergeOptions, options)
        .await
        .unwrap();
    assert_eq!(got.merge_options, Some(Vec::new()));
    let by_hand = bench.three_way(Default::default()).await.unwrap_err();
    assert_eq!(by_hand.code, "ManualMergeRequiredException");
    let conflicts = api::GetMergeConflictsInput {
        repository_name: "app".into(),
        source_commit_specifier: "side".into(),
        destination_commit_specifier: "main".into(),
        merge_option: "THREE_WAY_MERGE".into(),
        ..Default::default()
    };
    let got = call(&*bench.table, bench.cx(), ops::GetMergeConflicts, conflicts)
        .await
        .unwrap();
    assert_eq!(
        (got.mergeable, got.base_commit_id),
        (Some(false), Some(base))
    );
    let list = got.conflict_metadata_list.unwrap();
    assert_eq!(
        (list[0].file_path.as_deref(), list[0].content_conflict),
        (Some("text"), Some(true))
    );
    // Of the lines, none is changed by both.
    let by_lines = api::MergeBranchesByThreeWayInput {
        conflict_detail_level: Some("LINE_LEVEL".into()),
        commit_message: Some("both".into()),
        ..Default::default()
    };
    let merged = bench.three_way(by_lines.clone()).await.unwrap();
    let text = bench.read("main", "text").await.unwrap();
    assert!(text.contains("two\n") && text.contains("fifteen\n"));
    assert_eq!(
        bench.git(&id, &["log", "-1", "--format=%P %s", "main"]),
        format!("{main} {side} both")
    );
    // A line that both change.
    bench
        .put("side", "text", "side\n", Some(&side))
        .await
        .unwrap();
    bench
        .put("main", "text", "main\n", Some(&merged))
        .await
        .unwrap();
    let by_hand = bench.three_way(by_lines.clone()).await.unwrap_err();
    assert_eq!(by_hand.code, "ManualMergeRequiredException");
    let described = api::DescribeMergeConflictsInput {
        repository_name: "app".into(),
        source_commit_specifier: "side".into(),
        destination_commit_specifier: "main".into(),
        merge_option: "THREE_WAY_MERGE".into(),
        file_path: "text".into(),
        ..Default::default()
    };
    let got = call(
        &*bench.table,
        bench.cx(),
        ops::DescribeMergeConflicts,
        described,
    )
    .await
    .unwrap();
    let hunks = got.merge_hunks.unwrap();
    let source = hunks[0].source.clone().unwrap();
    assert_eq!((hunks.len(), source.start_line), (1, Some(1)));
    // "side\n" as it travels.
    assert_eq!(source.hunk_content.as_deref(), Some("c2lkZQo="));
    let resolved = api::MergeBranchesByThreeWayInput {
        conflict_resolution_strategy: Some("AUTOMERGE".into()),
        conflict_resolution: Some(api::ConflictResolution {
            replace_contents: Some(vec![api::ReplaceContentEntry {
                file_path: "text".into(),
                replacement_type: "USE_NEW_CONTENT".into(),
                content: Some("both\n".to_owned().into()),
                file_mode: None,
            }]),
            ..Default::default()
        }),
        ..by_lines
    };
    bench.three_way(resolved).await.unwrap();
    assert_eq!(bench.read("main", "text").await.unwrap(), "both\n");
    bench.git(&id, &["fsck", "--strict"]);
}
