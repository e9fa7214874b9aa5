package artifact

import (
	"errors"

	"kanshiki/forensics/problem"
	"kanshiki/parsers/ese"
)

// OpenESE opens the source as a database of the Extensible Storage Engine and
// reports its damage, and that it was in use: what its logs hold is not read.
func OpenESE(in *Input) (*ese.File, error) {
	f, err := ese.Open(in.R, in.Size)
	if err != nil {
		return nil, err
	}
	for _, d := range f.Damage {
		in.Problem(problem.Malformed, problem.Lost, d)
	}
	if s := f.Header.State; s != ese.Clean {
		in.Report(problem.Problem{At: in.At, Kind: problem.Unsupported, Severity: problem.Doubt, Expected: "a database that was closed (clean shutdown)",
			Found: s.String() + ": what its logs hold and it does not is not read"})
	}
	return f, nil
}

// SeverityOfRow is what an error of ese's Rows costs: after a wrong checksum
// the rows of the page follow.
func SeverityOfRow(err error) problem.Severity {
	if errors.Is(err, ese.ErrChecksum) {
		return problem.Doubt
	}
	return problem.Lost
}
