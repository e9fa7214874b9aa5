package timeline

import (
	"fmt"

	"kanshiki/forensics/coverage"
	"kanshiki/forensics/evidence"
	"kanshiki/forensics/problem"
)

// states ends the ledger: every artifact has exactly one state on every
// volume, those that were not there too.
func (b *builder) states(sources []*source) {
	for _, s := range sources {
		b.res.States[s.state]++
	}
	for _, p := range b.places {
		if p.form == evidence.Loose {
			continue // one file says nothing of what else the machine kept
		}
		seen := make([]bool, len(b.opt.Specs))
		for _, s := range sources {
			if s.place == p {
				for _, n := range s.specs {
					seen[n] = true
				}
			}
		}
		system := systemRoot(sources, p)
		for i, ok := range seen {
			if !ok {
				b.cover(b.absent(p, b.opt.Specs[i].Name, system))
			}
		}
		if p.fs == nil {
			for _, v := range b.opt.VolumeSpecs {
				b.cover(coverage.Fact{Machine: b.res.Machine.Name, Artifact: v.Name, At: p.at, History: coverage.UnknownBefore, State: coverage.Absent,
					How: "the evidence is a folder of files: there is no file system in it"})
			}
		}
		if p.shadows > 0 {
			b.cover(coverage.Fact{Machine: b.res.Machine.Name, Artifact: "volume/shadow-copies", At: p.at, Source: "System Volume Information",
				History: coverage.UnknownBefore, State: coverage.NotLooked, How: fmt.Sprintf("%d shadow copies are there and not read yet", p.shadows)})
			b.problem(problem.Problem{At: p.at, Source: "System Volume Information", Kind: problem.Unsupported, Severity: problem.Lost,
				Expected: "shadow copies that are read", Found: fmt.Sprintf("%d shadow copies, not read yet", p.shadows)})
		}
	}
}

// absent is the fact about an artifact that has no source in a place.
func (b *builder) absent(p *place, name string, system bool) coverage.Fact {
	f := coverage.Fact{Machine: b.res.Machine.Name, Artifact: name, At: p.at, History: coverage.UnknownBefore, State: coverage.Absent}
	m := &b.res.Machine
	switch {
	case p.form == evidence.Folder:
		f.How = "not among the files of this folder; whether the machine had it cannot be told from it"
	case !system:
		f.How = "not on this volume, which holds no Windows"
	case notIn(name, m.Version, m.Build):
		f.History, f.How = coverage.NotInWindows, fmt.Sprintf("%s (%s, build %d) does not have it: %s", product(m.Product), m.Version, m.Build, eras[name].text())
	default:
		f.How = "no file at the places where Windows keeps it"
	}
	return f
}

func product(s string) string {
	if s == "" {
		return "this Windows"
	}
	return s
}
