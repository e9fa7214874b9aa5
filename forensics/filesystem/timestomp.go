package filesystem

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"kanshiki/forensics/event"
)

// Strength says how much a test of times is worth alone.
type Strength int

// The strengths.
const (
	Weak   Strength = iota // installers, archives and copies do the same every day
	Medium                 // rare without intent, and innocent ways are known
	Strong                 // the ordinary ways of Windows do not write this
)

func (s Strength) String() string { return [...]string{"weak", "medium", "strong"}[s] }

// TimeTest is one contradiction among the times of an entry. It never proves
// alone that times were forged: Innocent says what else does it.
type TimeTest struct {
	Name     string
	Strength Strength
	Values   string
	Innocent string
}

// TimeFinding is an entry with its contradictions.
type TimeFinding struct {
	Entry *Entry // valid until the next step
	Tests []TimeTest
}

// infoChange is what the journal says of a change of times or attributes.
type infoChange struct {
	last    event.Ticks // time of the last such record
	created bool        // the same run of records creates or writes the file, as copying does
}

// TimeFindings yields live and deleted entries whose times contradict each
// other or the change journal.
//
// Tests with support in the literature: Palmbach and Breitinger, DFRWS EU 2020
// ($LogFile and journal), and the ordinary rules for $SI and $FN. A rename or move copies
// $SI to $FN, so equal times prove nothing.
func (n *NTFS) TimeFindings(ctx context.Context) iter.Seq2[TimeFinding, error] {
	return func(yield func(TimeFinding, error) bool) {
		changes, end, err := n.infoChanges(ctx)
		if err != nil {
			yield(TimeFinding{}, err)
			return
		}
		logged := n.timeChanges(ctx)
		indexed, err := n.indexTimes(ctx)
		if err != nil {
			yield(TimeFinding{}, err)
			return
		}
		born := n.Info().Created
		for e, err := range n.Walk(ctx) {
			if err != nil {
				yield(TimeFinding{}, err)
				return
			}
			if e.Ref.Entry < firstUser || len(e.Names) == 0 || !e.SI.Created.Valid() {
				continue
			}
			tests := siTests(e, born)
			tests = append(tests, journalTests(e, changes[e.Ref], end)...)
			tests = append(tests, indexTests(e, indexed[refTo(e.Ref)])...)
			if e.InUse {
				tests = append(tests, logTests(logged[e.Ref.Entry])...)
			}
			if len(tests) > 0 && !yield(TimeFinding{e, tests}, nil) {
				return
			}
		}
	}
}

// infoChanges reads the journal for changes of basic information. end is the
// USN behind its last record, 0 without a journal.
func (n *NTFS) infoChanges(ctx context.Context) (map[Ref]infoChange, uint64, error) {
	const basicInfo, creates, closes = 0x8000, 0x100 | 0x2 | 0x1, 0x80000000
	out := map[Ref]infoChange{}
	making := map[Ref]bool{}
	var end uint64
	for c, err := range n.Changes(ctx) {
		switch {
		case errors.Is(err, ErrNoJournal):
			return out, 0, nil
		case ctx.Err() != nil:
			return nil, 0, ctx.Err()
		case err != nil:
			continue
		}
		end = c.USN + uint64(c.Length)
		if c.Reason&creates != 0 {
			making[c.Ref] = true
		}
		if c.Reason&basicInfo != 0 {
			out[c.Ref] = infoChange{c.Time, making[c.Ref] || c.Reason&creates != 0}
		}
		if c.Reason&closes != 0 {
			delete(making, c.Ref)
		}
	}
	return out, end, nil
}

const ticksPerSecond = 10000000

func siTests(e *Entry, born event.Ticks) []TimeTest {
	var out []TimeTest
	fn := e.Names[0].Times
	before := true
	for _, n := range e.Names {
		before = before && n.Times.Created.Valid() && e.SI.Created < n.Times.Created
	}
	if before {
		out = append(out, TimeTest{"si-before-fn", Weak,
			fmt.Sprintf("$SI created %s, $FN created %s", e.SI.Created, fn.Created),
			"installers, archives, sync clients and restores set the time of the original"})
	}
	si := [4]event.Ticks{e.SI.Created, e.SI.Modified, e.SI.Changed, e.SI.Accessed}
	whole := 0
	for _, t := range si {
		if t.Valid() && t%ticksPerSecond == 0 {
			whole++
		}
	}
	if whole > 0 && fn.Created%ticksPerSecond != 0 {
		s := Weak
		if e.SI.Changed.Valid() && e.SI.Changed%ticksPerSecond == 0 { // archives cannot set this one
			s = Medium
		}
		out = append(out, TimeTest{"whole-seconds", s,
			fmt.Sprintf("%d of 4 $SI times have no fraction of a second (entry modified %s), $FN created %s has", whole, e.SI.Changed, fn.Created),
			"archives and FAT keep no fractions; drivers of other systems may write whole seconds"})
	}
	if si[0] == si[1] && si[1] == si[2] && si[2] == si[3] && fn.Created.Valid() && si[0] != fn.Created {
		out = append(out, TimeTest{"all-equal", Medium,
			fmt.Sprintf("all four $SI times are %s, $FN created %s", si[0], fn.Created),
			"a driver that sets all times at once after a rename"})
	}
	if born.Valid() && e.SI.Created < born && fn.Created >= born {
		out = append(out, TimeTest{"before-volume", Weak,
			fmt.Sprintf("$SI created %s, the volume was made %s", e.SI.Created, born),
			"images that setup lays out, restores and copies that keep times"})
	}
	return out
}

func journalTests(e *Entry, c infoChange, end uint64) []TimeTest {
	var out []TimeTest
	if c.last.Valid() && !c.created {
		if e.SI.Changed.Valid() && c.last > e.SI.Changed+ticksPerSecond {
			out = append(out, TimeTest{"usn-after-si", Strong,
				fmt.Sprintf("the journal has a change of times or attributes at %s, $SI entry modified says %s", c.last, e.SI.Changed),
				"the system clock was set back; another driver wrote the volume"})
		} else if e.SI.Created < e.Names[0].Times.Created {
			out = append(out, TimeTest{"usn-basic-info", Medium,
				fmt.Sprintf("the journal has a change of times or attributes at %s, without a write around it", c.last),
				"a change of attributes (hidden, read-only) is recorded the same way"})
		}
	}
	if end > 0 && e.USN > end {
		out = append(out, TimeTest{"usn-beyond-journal", Medium,
			fmt.Sprintf("$SI has USN %d, the journal ends at %d", e.USN, end),
			"the journal was deleted and made again"})
	}
	return out
}
