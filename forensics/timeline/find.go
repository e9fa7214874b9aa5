package timeline

import (
	"cmp"
	"errors"
	"io"
	"path"
	"slices"
	"strings"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/evidence"
	"kanshiki/forensics/filesystem"
	"kanshiki/forensics/internal/guard"
	"kanshiki/forensics/problem"
)

// shadowGlob finds the stores of shadow copies by the GUID that ends their
// names.
const shadowGlob = "System Volume Information/*{3808876b-c176-4e48-b7ae-04046e6cc752}"

// headSize is how much of a loose file its Specs may look at.
const headSize = 4096

// find lists the sources of one place: one walk for the patterns of all Specs.
func (b *builder) find(p *place) ([]*source, error) {
	// Many Specs look into the same hives: each pattern is looked for once.
	var patterns []string
	var owners [][]int
	place := map[string]int{}
	for i, s := range b.opt.Specs {
		for _, g := range s.Globs {
			n, ok := place[strings.ToLower(g)]
			if !ok {
				n = len(patterns)
				place[strings.ToLower(g)] = n
				patterns, owners = append(patterns, g), append(owners, nil)
			}
			owners[n] = append(owners[n], i)
		}
	}
	found := map[string]*source{}
	var order []*source
	add := func(s *source, specs ...int) {
		key := s.at.String()
		have, ok := found[key]
		if !ok {
			found[key] = s
			order = append(order, s)
			have = s
		}
		for _, n := range specs {
			if !slices.Contains(have.specs, n) {
				have.specs = append(have.specs, n)
			}
		}
	}
	var err error
	if p.fs != nil {
		err = b.findVolume(p, patterns, owners, add)
	} else {
		err = b.findLoose(p, patterns, owners, add)
	}
	if err != nil {
		return nil, err
	}
	for _, s := range order {
		slices.Sort(s.specs)
	}
	slices.SortFunc(order, func(x, y *source) int {
		return cmp.Or(cmp.Compare(x.at.Entry, y.at.Entry), cmp.Compare(x.at.Sequence, y.at.Sequence), strings.Compare(x.at.Stream, y.at.Stream))
	})
	return order, nil
}

func (b *builder) findVolume(p *place, patterns []string, owners [][]int, add func(*source, ...int)) error {
	all := append(slices.Clone(patterns), shadowGlob)
	for m, err := range p.fs.Glob(b.ctx, all) {
		if b.ctx.Err() != nil {
			return b.ctx.Err()
		}
		if err != nil {
			b.problem(problem.From(p.at, problem.Malformed, problem.Lost, err))
			continue
		}
		if m.Pattern >= len(patterns) {
			p.shadows++
			continue
		}
		if m.Entry.Kind == filesystem.Dir && m.Stream == "" {
			continue
		}
		at := p.at
		at.Entry, at.Sequence, at.Stream = m.Entry.Ref.Entry, m.Entry.Ref.Sequence, m.Stream
		s := &source{place: p, at: at, times: timesOf(m.Entry, m.Name)}
		if m.Name < len(m.Entry.Names) {
			s.path = m.Entry.Names[m.Name].Path
		}
		for _, st := range m.Entry.Streams {
			if st.Name == m.Stream {
				s.size, s.note = st.Size, st.Note
			}
		}
		if m.Stream != "" {
			s.path += ":" + m.Stream
		}
		add(s, owners[m.Pattern]...)
	}
	return nil
}

// findLoose matches patterns against the ends of paths, since a triage folder
// may hold the volume's root anywhere, and asks the Specs about the rest.
func (b *builder) findLoose(p *place, patterns []string, owners [][]int, add func(*source, ...int)) error {
	compiled := make([][]string, len(patterns))
	for i, g := range patterns {
		if strings.Contains(g, ":") {
			continue // named streams do not survive in loose files
		}
		compiled[i] = strings.Split("**/"+strings.ToLower(strings.TrimPrefix(g, "**/")), "/")
	}
	for i, f := range p.files {
		if err := b.ctx.Err(); err != nil {
			return err
		}
		matched := false
		if p.form == evidence.Folder {
			parts := strings.Split(strings.ToLower(f.Path), "/")
			for k, g := range compiled {
				if g != nil && globParts(g, parts) {
					add(p.looseSource(i), owners[k]...)
					matched = true
				}
			}
		}
		if matched {
			continue
		}
		head, err := b.head(p, i)
		if err != nil {
			s := p.looseSource(i)
			b.problem(problem.Problem{At: s.at, Source: s.path, Length: s.size, Kind: problem.Unreadable, Severity: problem.Lost, Expected: "a readable file", Found: err.Error()})
			continue
		}
		for k, s := range b.opt.Specs {
			if s.Loose != nil && s.Loose(path.Base(f.Path), head) {
				add(p.looseSource(i), k)
				matched = true
			}
		}
		if !matched && p.form == evidence.Loose {
			s := p.looseSource(i)
			b.problem(problem.Problem{At: s.at, Source: s.path, Length: s.size, Kind: problem.Unsupported, Severity: problem.Lost,
				Expected: "a hive, a log or another source that is read (ks-timeline artifacts lists them)", Found: "a file of no known kind"})
		}
	}
	return nil
}

func (b *builder) head(p *place, i int) ([]byte, error) {
	f, err := p.tree.Open(p.files[i].Path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	buf := make([]byte, min(headSize, max(f.Size(), 0)))
	n, err := f.ReadAt(buf, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return buf[:n], nil
}

// globParts matches a path in lower case: ** is any number of folders.
func globParts(pattern, parts []string) bool {
	for len(pattern) > 0 {
		if pattern[0] == "**" {
			for len(pattern) > 1 && pattern[1] == "**" {
				pattern = pattern[1:]
			}
			for i := 0; i <= len(parts); i++ {
				if globParts(pattern[1:], parts[i:]) {
					return true
				}
			}
			return false
		}
		if len(parts) == 0 || !globName(pattern[0], parts[0]) {
			return false
		}
		pattern, parts = pattern[1:], parts[1:]
	}
	return len(parts) == 0
}

// globName matches one name: * is any text, ? one byte or more of a character.
func globName(pattern, s string) bool {
	star, mark, i, j := -1, 0, 0, 0
	for j < len(s) {
		switch {
		case i < len(pattern) && pattern[i] == '*':
			star, mark = i, j
			i++
		case i < len(pattern) && (pattern[i] == '?' || pattern[i] == s[j]):
			i, j = i+1, j+1
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(pattern[i:], "*") == ""
}

// learn reads what the hives say of the machine: of several, those of the
// running system, which is the one with the shortest path.
func (b *builder) learn(sources []*source) {
	want := map[artifact.HiveKind]*source{}
	for _, s := range sources {
		k := hiveKind(s.path)
		if k == "" {
			continue
		}
		if have, ok := want[k]; !ok || better(s, have) {
			want[k] = s
		}
	}
	for _, k := range []artifact.HiveKind{artifact.HiveSystem, artifact.HiveSoftware} {
		s := want[k]
		if s == nil {
			continue
		}
		// Problems of this reading come again when the artifacts are read.
		in, done, err := b.input(s, func(problem.Problem) {})
		if err != nil {
			continue
		}
		_ = guard.Run(func() error { learnHive(&b.res.Machine, in); return nil })
		done()
	}
}

func better(s, than *source) bool {
	return cmp.Or(cmp.Compare(len(s.path), len(than.path)), cmp.Compare(s.at.Volume, than.at.Volume), strings.Compare(s.path, than.path)) < 0
}

// hiveKind tells of a path whether it is the hive SYSTEM or SOFTWARE of a
// system, not of its backups.
func hiveKind(p string) artifact.HiveKind {
	low := strings.ToLower(p)
	dir := path.Base(path.Dir(low))
	switch {
	case dir != "config" && dir != ".":
		return ""
	case path.Base(low) == "system":
		return artifact.HiveSystem
	case path.Base(low) == "software":
		return artifact.HiveSoftware
	}
	return ""
}
