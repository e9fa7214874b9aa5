package logon

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf16"

	"kanshiki/forensics/artifact"
	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/problem"
	"kanshiki/parsers/regf"
)

// Accounts are the local accounts with the times that SAM keeps of them.
var Accounts = artifact.Spec{
	Name:   "logon/sam",
	Title:  "Local accounts (SAM)",
	Globs:  artifact.HiveGlobs(artifact.HiveSAM),
	Loose:  artifact.LooseHive(artifact.HiveSAM),
	Fields: []string{"rid", "name", "full_name", "comment", "flags", "disabled", "logon_count", "bad_password_count", "last_logon", "password_set", "last_bad_password", "account_expires", "rid_in_f", "key_written"},
	Limit:  artifact.HiveLimit,
	Family: artifact.FamilySetting,
	Card: artifact.Card{
		Proves:    "A local account of this name and number exists; it logged on last, set its password last and was refused last at these times; its name was given to it at the write of its name's key.",
		NotProven: "Logons of domain accounts and of Microsoft accounts on some versions; logons between; from where. A number in F that differs from the key's is a sign that another account was taken over.",
		Clock:     "System UTC, 100 ns (FILETIME in the value F, or of the key).",
		Retention: "The last of each; the account until it is deleted.",
		Switches:  "None.",
		Source:    "libyal winreg-kb, \"Security Accounts Manager\"; samparse of RegRipper by H. Carvey.",
	},
	Read: readAccounts,
}

const samUsers = `SAM\Domains\Account\Users`

func readAccounts(_ context.Context, in *artifact.Input, emit func(*event.Event) error) error {
	h, err := artifact.OpenHive(in)
	if err != nil {
		return err
	}
	emit = h.Emit(emit)
	machine := ""
	for k := range h.Find(in, `SAM\Domains\Account`) {
		// V ends with the SID of the machine, whose accounts these are.
		if b := artifact.Data(k, "V"); len(b) > 24 {
			machine = artifact.SID(b[len(b)-24:])
		}
	}
	names := map[uint32]*regf.Key{}
	for k := range h.Find(in, samUsers+`\Names\*`) {
		if v, err := k.Value(""); err == nil {
			names[v.Type] = k // the type of the value is the account's number
		}
	}
	fact := coverage.Fact{History: coverage.Recording, State: h.State(), How: "no accounts"}
	for k := range h.Find(in, samUsers+`\*`) {
		rid, err := strconv.ParseUint(k.Name, 16, 32)
		if err != nil {
			continue // Names
		}
		fact.How, fact.To = "accounts of SAM", max(fact.To, event.Ticks(k.LastWritten))
		in.Counts.Declared++
		if err := account(in, h, k, uint32(rid), machine, names[uint32(rid)], emit); err != nil {
			var bad *badRecord
			if !errors.As(err, &bad) {
				return err
			}
			in.Counts.Failed++
			in.Report(problem.Problem{At: h.At(in, k.Offset, k.Path()), Kind: problem.Malformed, Severity: problem.Lost, Found: err.Error()})
			continue
		}
		in.Counts.Decoded++
	}
	in.Cover(fact)
	return nil
}

// badRecord is damage of one account, told apart from an error of emit.
type badRecord struct{ text string }

func (e *badRecord) Error() string { return e.text }

func account(in *artifact.Input, h *artifact.Hive, k *regf.Key, rid uint32, machine string, name *regf.Key, emit func(*event.Event) error) error {
	f, err := k.Value("F")
	if err != nil {
		return &badRecord{fmt.Sprintf("account %d: F: %v", rid, err)}
	}
	b, err := f.Data()
	if err != nil || len(b) < 68 {
		return &badRecord{fmt.Sprintf("account %d: F of %d bytes, 68 expected (%v)", rid, len(b), err)}
	}
	le := binary.LittleEndian
	v := artifact.Data(k, "V")
	user := samText(v, 0x0C)
	if user == "" && name != nil {
		user = name.Name
	}
	flags := le.Uint16(b[56:])
	base := event.Event{User: user, RegistryKey: h.Name(k), At: h.At(in, f.Offset, k.Path()), Length: 24 + int64(f.Size), Record: fmt.Sprint(rid)}
	if machine != "" {
		base.UserSID = fmt.Sprintf("%s-%d", machine, rid)
	}
	base.Fields = append(base.Fields, event.Uint("rid", rid), event.Str("name", user))
	for _, t := range []struct {
		name string
		at   int
	}{{"full_name", 0x18}, {"comment", 0x24}} {
		if s := samText(v, t.at); s != "" {
			base.Fields = append(base.Fields, event.Str(t.name, s))
		}
	}
	times := []struct {
		field, meaning, verb string
		at                   event.Ticks
		action               event.Action
	}{
		{"last_logon", "last logon", "logged on last", event.Ticks(le.Uint64(b[8:])), event.LoggedOn},
		{"password_set", "password last set", "got a new password", event.Ticks(le.Uint64(b[24:])), event.Configured},
		{"last_bad_password", "last refused logon", "gave a wrong password last", event.Ticks(le.Uint64(b[40:])), event.LogonFailed},
	}
	base.Fields = append(base.Fields, event.Hex("flags", flags), event.Bool("disabled", flags&1 == 1),
		event.Uint("logon_count", le.Uint16(b[66:])), event.Uint("bad_password_count", le.Uint16(b[64:])))
	for _, t := range times {
		if t.at.Valid() {
			base.Fields = append(base.Fields, event.When(t.field, t.at))
		}
	}
	if x := event.Ticks(le.Uint64(b[32:])); x.Valid() {
		base.Fields = append(base.Fields, event.When("account_expires", x))
	}
	if n := le.Uint32(b[48:]); n != rid {
		base.Fields = append(base.Fields, event.Uint("rid_in_f", n))
		in.Report(problem.Problem{At: base.At, Kind: problem.Inconsistent, Severity: problem.Doubt, Found: fmt.Sprintf("account %s has the number %d in its key and %d in F", user, rid, n)})
	}
	base.Fields = append(base.Fields, event.When("key_written", event.Ticks(k.LastWritten)))
	e := base
	e.Fact, e.To, e.Meaning, e.Action = true, event.Ticks(k.LastWritten), "local account", event.Configured
	e.Message = fmt.Sprintf("local account %s, number %d", user, rid)
	if flags&1 == 1 {
		e.Message += ", disabled"
	}
	if err := emit(&e); err != nil {
		return err
	}
	for _, t := range times {
		if !t.at.Valid() {
			continue
		}
		e := base
		e.Ticks, e.Meaning, e.Action = t.at, t.meaning, t.action
		e.Message = fmt.Sprintf("account %s %s", user, t.verb)
		if err := emit(&e); err != nil {
			return err
		}
	}
	if name != nil && event.Ticks(name.LastWritten).Valid() {
		e := base
		e.Ticks, e.Meaning, e.Action = event.Ticks(name.LastWritten), "account name given", event.Created
		e.RegistryKey, e.At, e.Length = h.Name(name), h.At(in, name.Offset, name.Path()), 80+int64(len(name.Name))
		e.Message = fmt.Sprintf("account %s was created or renamed", name.Name)
		return emit(&e)
	}
	return nil
}

// samText reads one of the texts of V: its place, counted from 0xCC, and its
// length stand in the table at the begin.
func samText(v []byte, at int) string {
	if len(v) < 0xCC {
		return ""
	}
	le := binary.LittleEndian
	off, n := int64(le.Uint32(v[at:]))+0xCC, int64(le.Uint32(v[at+4:]))
	if n == 0 || off+n > int64(len(v)) {
		return ""
	}
	b := v[off : off+n]
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = le.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units))
}
