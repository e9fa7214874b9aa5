package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// An exhibit's rows are replaced like this: the new tables are written below
// store/.tmp/X/new; the file store/.tmp/X/commit says that they are whole; then
// each table is renamed to its place. A run that dies before the commit file
// leaves the old rows, one that dies after it is finished by the next run, and
// readers in between find the new ones.

func tmpDir(caseDir, exhibit string) string { return filepath.Join(caseDir, "store", ".tmp", exhibit) }

func place1(caseDir string, d Dataset, exhibit string) string {
	return filepath.Join(caseDir, "store", string(d), "exhibit="+exhibit)
}

func committed(caseDir, exhibit string) bool {
	_, err := os.Stat(filepath.Join(tmpDir(caseDir, exhibit), "commit"))
	return err == nil
}

// ValidExhibit tells whether a name can stand for an exhibit: [a-z0-9-], not
// empty, at most 64 long.
func ValidExhibit(name string) bool {
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' {
			return false
		}
	}
	return name != "" && len(name) <= 64
}

// Recover finishes a replacement that was cut off after its commit and removes
// what other killed runs left. The caller holds the case's lock.
func Recover(caseDir string) error {
	tmp := filepath.Join(caseDir, "store", ".tmp")
	all, err := os.ReadDir(tmp)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, d := range all {
		if committed(caseDir, d.Name()) {
			if err := finish(caseDir, d.Name()); err != nil {
				return fmt.Errorf("finish exhibit %s: %w", d.Name(), err)
			}
		}
		if err := os.RemoveAll(filepath.Join(tmp, d.Name())); err != nil {
			return err
		}
	}
	return os.Remove(tmp)
}

// finish moves the committed tables to their places; it can be run again.
func finish(caseDir, exhibit string) error {
	tmp := tmpDir(caseDir, exhibit)
	for _, d := range Datasets {
		from, to := filepath.Join(tmp, "new", string(d)), place1(caseDir, d, exhibit)
		if _, err := os.Stat(from); errors.Is(err, fs.ErrNotExist) {
			continue // moved by the run that was cut off
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
			return err
		}
		old := filepath.Join(tmp, "old-"+string(d))
		if err := os.RemoveAll(old); err != nil {
			return err
		}
		if err := os.Rename(to, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := os.Rename(from, to); err != nil {
			return err
		}
	}
	return nil
}

// Exhibits lists those that the store has rows of, in order.
func Exhibits(caseDir string) ([]string, error) {
	seen := map[string]bool{}
	all, err := os.ReadDir(filepath.Join(caseDir, "store", string(Sources)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, d := range all {
		if x, ok := strings.CutPrefix(d.Name(), "exhibit="); ok && d.IsDir() {
			seen[x] = true
		}
	}
	all, _ = os.ReadDir(filepath.Join(caseDir, "store", ".tmp"))
	for _, d := range all {
		if committed(caseDir, d.Name()) {
			seen[d.Name()] = true
		}
	}
	out := make([]string, 0, len(seen))
	for x := range seen {
		out = append(out, x)
	}
	sort.Strings(out)
	return out, nil
}

// parts lists the files of one table of one exhibit, in row order.
func parts(caseDir string, d Dataset, exhibit string) ([]string, error) {
	dir := place1(caseDir, d, exhibit)
	if committed(caseDir, exhibit) {
		if fresh := filepath.Join(tmpDir(caseDir, exhibit), "new", string(d)); exists(fresh) {
			dir = fresh
		}
	}
	var out []string
	for i := 0; ; i++ {
		name := filepath.Join(dir, fmt.Sprintf("%d.parquet", i))
		if !exists(name) {
			break
		}
		out = append(out, name)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("exhibit %s has no table of %s: build it again", exhibit, d)
	}
	return out, nil
}

func exists(name string) bool { _, err := os.Stat(name); return err == nil }

// Attach keeps a small file beside an exhibit's sources; it is replaced with
// the rows.
func (b *Builder) Attach(name string, data []byte) error {
	dir := b.newDir(Sources)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	return writeSynced(filepath.Join(dir, name), data)
}

// Attached reads a file that a build attached.
func (s *Store) Attached(exhibit, name string) ([]byte, error) {
	files, err := parts(s.caseDir, Sources, exhibit)
	if err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(filepath.Dir(files[0]), name))
}
