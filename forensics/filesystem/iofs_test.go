package filesystem_test

import (
	"io/fs"
	"testing"
	"testing/fstest"
)

func TestIOFS(t *testing.T) {
	f := open(t, smallImage(t)).IOFS()
	if err := fstest.TestFS(f, "resident.txt", "Folder/Sub Folder/inside.txt", "notes.txt:ads", "Case.txt", "case.txt", "packed/mixed.bin", "会議資料"); err != nil {
		t.Error(err)
	}
	if _, err := fs.Stat(f, "gone/small.txt"); err == nil {
		t.Error("a deleted file is there")
	}
}
