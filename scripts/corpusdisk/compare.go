//go:build unix

package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// checker collects what differs.
type checker struct {
	*options
	manifest []row
	failed   int
}

func (c *checker) fail(format string, args ...any) {
	c.failed++
	fmt.Printf("DIFFERS: "+format+"\n", args...)
}

// row is a line of a table by its columns.
type row map[string]string

// table reads a TSV file; its fields are never quoted.
func table(path string) ([]row, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	head := strings.Split(lines[0], "\t")
	var rows []row
	for _, line := range lines[1:] {
		r := row{}
		for i, v := range strings.Split(line, "\t") {
			if i < len(head) && v != "" {
				r[head[i]] = v
			}
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// source is a row of ks-timeline sources.
type source struct {
	Artifact, Source, State              string
	Declared, Decoded, Recovered, Failed int64
}

func (s source) String() string {
	return fmt.Sprintf("%d decoded, %d recovered, %d failed, %s", s.Decoded, s.Recovered, s.Failed, s.State)
}

// rows reads the JSON lines of a command.
func rows[T any](name string, args ...string) ([]T, error) {
	cmd := exec.Command(name, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", filepath.Base(name), args[0], err)
	}
	var all []T
	in := bufio.NewScanner(bytes.NewReader(out))
	in.Buffer(nil, 64<<20)
	for in.Scan() {
		var r T
		if err := json.Unmarshal(in.Bytes(), &r); err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, in.Err()
}

// tally is the account of one artifact over all its sources.
type tally struct {
	sources, equal, accepted, differ   int
	decoded, recovered, failed, expect int64
}

// counts compares the account of every source with the tables of truth.
func (c *checker) counts(dir string) (err error) {
	if c.manifest, err = table(c.disk + ".manifest.tsv"); err != nil {
		return err
	}
	timeline := filepath.Join(c.bin, "ks-timeline")
	list, err := rows[source](timeline, "sources", "--case", dir, "--format", "jsonl")
	if err != nil {
		return err
	}
	problems, err := rows[struct{ Source string }](timeline, "problems", "--case", dir, "--format", "jsonl")
	if err != nil {
		return err
	}
	told := map[string]bool{}
	for _, p := range problems {
		told[p.Source] = true
	}
	have := map[string]map[string]source{}
	for _, s := range list {
		if have[s.Source] == nil {
			have[s.Source] = map[string]source{}
		}
		have[s.Source][s.Artifact] = s
		if s.Declared != s.Decoded+s.Recovered+s.Failed {
			c.fail("%s of %s: %d declared, but %v", s.Artifact, s.Source, s.Declared, s)
		}
		if (s.Failed > 0 || s.State == "partly" || s.State == "unreadable") && !told[s.Source] {
			c.fail("%s of %s: %v, and no problem says why", s.Artifact, s.Source, s)
		}
	}
	fmt.Printf("%d sources, %d problems\n", len(list), len(problems))
	truth, err := c.truth()
	if err != nil {
		return err
	}
	tallies := map[string]*tally{}
	silent := map[string]int{}
	for _, m := range c.manifest {
		c.file(m, truth, have, tallies, silent)
	}
	c.entries(have["$MFT"]["filesystem/mft"])
	c.stated(have)
	fmt.Printf("%-30s %7s %7s %8s %7s %9s %9s %9s %7s\n", "artifact", "sources", "equal", "accepted", "differ", "expected", "decoded", "recovered", "failed")
	for _, name := range slices.Sorted(maps.Keys(tallies)) {
		t := tallies[name]
		fmt.Printf("%-30s %7d %7d %8d %7d %9d %9d %9d %7d\n", name, t.sources, t.equal, t.accepted, t.differ, t.expect, t.decoded, t.recovered, t.failed)
	}
	for _, kind := range slices.Sorted(maps.Keys(silent)) {
		fmt.Printf("no source: %-13s %3d: %s\n", kind, silent[kind], cmp.Or(unread[kind], "in fragments, or listings beside the evidence"))
	}
	return nil
}

// truth gives all tables, a row by where its file comes from.
func (c *checker) truth() (map[string]row, error) {
	names, err := filepath.Glob(filepath.Join(c.shared, "corpus", "truth", "*.tsv"))
	if err != nil || len(names) == 0 {
		return nil, fmt.Errorf("no tables of truth under %s: %v", c.shared, err)
	}
	all := map[string]row{}
	for _, name := range names {
		rows, err := table(name)
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			if r["repo"] != "" {
				all[strings.TrimSuffix(filepath.Base(name), ".tsv")+" "+r["repo"]+":"+r["upstream_path"]] = r
			}
		}
	}
	return all, nil
}

// file compares one file of the disk.
func (c *checker) file(m row, truth map[string]row, have map[string]map[string]source, tallies map[string]*tally, silent map[string]int) {
	path, kind := m["path"], m["type"]
	found := have[path]
	if kind == "ordinary" || strings.Contains(path, "/fragments/") {
		for name := range found {
			c.fail("%s read %s, which is %s", name, path, kind)
		}
		if kind != "ordinary" {
			silent[kind]++
		}
		return
	}
	t := truth[kind+" "+m["source"]]
	if t == nil && kind != "stream" && m["source"] != "made by this script" {
		c.fail("%s: no row of truth for %s", path, m["source"])
		return
	}
	artifact, want, known := expected(m, t)
	if artifact == "" {
		if len(found) > 0 {
			c.fail("%s became a source, and no table says what it holds", path)
		}
		silent[kind]++
		return
	}
	c.account(path, artifact, found, want, known, tallies)
	if artifact == "network/srum" { // one database, two artifacts
		c.account(path, "execution/srum", found, srum(t, srumPrograms...), true, tallies)
	}
}

// account compares what one artifact read of a file.
func (c *checker) account(path, artifact string, found map[string]source, want count, known bool, tallies map[string]*tally) {
	s, ok := found[artifact]
	if !ok {
		c.fail("%s: no source of %s", path, artifact)
		return
	}
	a := tallies[artifact]
	if a == nil {
		a = &tally{}
		tallies[artifact] = a
	}
	a.sources++
	a.decoded, a.recovered, a.failed = a.decoded+s.Decoded, a.recovered+s.Recovered, a.failed+s.Failed
	if !known {
		return
	}
	a.expect += want.live
	if s.Decoded == want.live && (want.recovered < 0 || s.Recovered == want.recovered) && s.Failed == want.failed {
		a.equal++
		return
	}
	got := fmt.Sprintf("%d live, %d recovered, %d failed", s.Decoded, s.Recovered, s.Failed)
	if why, ok := accepted[path]; ok && why.got == got {
		a.accepted++
		if c.all {
			fmt.Printf("accepted: %s: %s; by the table %v: %s\n", path, got, want, why.reason)
		}
		return
	}
	a.differ++
	c.fail("%s: %s; by the table %v", path, got, want)
}

// stated compares what the tests of other programs say of single hives.
func (c *checker) stated(have map[string]map[string]source) {
	for _, w := range stated {
		for _, m := range c.manifest {
			if m["source"] != w.source || m["type"] != "registry" {
				continue
			}
			if s := have[m["path"]][w.artifact]; s.Decoded != w.live {
				c.fail("%s of %s: %v; its upstream states %d", w.artifact, m["path"], s, w.live)
			}
		}
	}
}

// entries compares the entries of the $MFT with the manifest: what the
// manifest does not name are the system files and the folders.
func (c *checker) entries(mft source) {
	files, deleted := 0, int64(0)
	dirs := map[string]bool{}
	for _, m := range c.manifest {
		if m["type"] == "stream" {
			continue
		}
		if m["state"] == "deleted" {
			deleted++
		} else {
			files++
		}
		for d := filepath.Dir(m["path"]); d != "."; d = filepath.Dir(d) {
			dirs[d] = true
		}
	}
	// Entries 0 to 11, the root and $Extend among them; 12 to 15, in use and
	// without a name; $Quota, $ObjId and $Reparse in $Extend.
	const system = 12 + 4 + 3
	live := int64(files + len(dirs) + system)
	if mft.Decoded != live || mft.Recovered != deleted || mft.Failed != 0 {
		c.fail("$MFT: %v; the disk has %d files, %d folders and %d system entries, %d deleted", mft, files, len(dirs), system, deleted)
	}
}

// extract writes every file of the disk, live and deleted, and compares its
// digest with the manifest's.
func (c *checker) extract(image string) error {
	type written struct {
		Path, Stream, Sha256 string
		Whole                bool
		Size                 int64
		Problems             []any
	}
	walk := filepath.Join(c.bin, "ks-walk")
	for _, state := range []string{"present", "deleted"} {
		out := filepath.Join(c.work, "extracted-"+state)
		args := []string{"extract", image, "-o", out, "--progress", "none", "--quiet"}
		if state == "deleted" {
			args = append(args, "--deleted")
		}
		if err := do(nil, walk, args...); err != nil {
			if exit := (*exec.ExitError)(nil); !asExit(err, &exit) || exit.ExitCode() != 3 {
				return err
			}
		}
		data, err := os.ReadFile(filepath.Join(out, "manifest.jsonl"))
		if err != nil {
			return err
		}
		have := map[string]written{}
		for line := range bytes.Lines(data) {
			var w written
			if err := json.Unmarshal(line, &w); err != nil {
				return err
			}
			name := w.Path
			if w.Stream != "" {
				name += ":" + w.Stream
			}
			have[name] = w
		}
		equal, partly, lost := 0, 0, 0
		for _, m := range c.manifest {
			if m["state"] != state {
				continue
			}
			switch w, ok := have[m["path"]]; {
			case ok && w.Sha256 == m["sha256"]:
				equal++
			case state == "deleted" && ok && len(w.Problems) > 0:
				partly++ // overwritten since, and said so
			case state == "deleted" && !ok:
				lost++
				c.fail("%s was deleted and is not found", m["path"])
			default:
				c.fail("%s: its extracted content has another digest (%+v)", m["path"], w)
			}
		}
		fmt.Printf("extracted, %s: %d of the manifest with equal SHA-256, %d overwritten and named so, %d not found\n", state, equal, partly, lost)
		os.RemoveAll(out)
	}
	return nil
}
