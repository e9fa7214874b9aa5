package registry

import (
	"encoding/binary"
	"errors"
	"fmt"

	"kanshiki/forensics/coverage"
	"kanshiki/forensics/event"
	"kanshiki/forensics/problem"
)

// category is one of audit, with its subcategories in the order of the value
// PolAdtEv of Vista and later. Later Windows appended to some; a longer
// category than is named here keeps its numbers.
type category struct {
	name string
	subs []string
}

var categories = []category{
	{"System", []string{"Security State Change", "Security System Extension", "System Integrity", "IPsec Driver", "Other System Events"}},
	{"Logon/Logoff", []string{"Logon", "Logoff", "Account Lockout", "IPsec Main Mode", "Special Logon", "IPsec Quick Mode", "IPsec Extended Mode", "Other Logon/Logoff Events", "Network Policy Server", "User/Device Claims", "Group Membership"}},
	{"Object Access", []string{"File System", "Registry", "Kernel Object", "SAM", "Certification Services", "Application Generated", "Handle Manipulation", "File Share", "Filtering Platform Packet Drop", "Filtering Platform Connection", "Other Object Access Events", "Detailed File Share", "Removable Storage", "Central Access Policy Staging"}},
	{"Privilege Use", []string{"Sensitive Privilege Use", "Non Sensitive Privilege Use", "Other Privilege Use Events"}},
	{"Detailed Tracking", []string{"Process Creation", "Process Termination", "DPAPI Activity", "RPC Events", "Plug and Play Events", "Token Right Adjusted Events"}},
	{"Policy Change", []string{"Audit Policy Change", "Authentication Policy Change", "Authorization Policy Change", "MPSSVC Rule-Level Policy Change", "Filtering Platform Policy Change", "Other Policy Change Events"}},
	{"Account Management", []string{"User Account Management", "Computer Account Management", "Security Group Management", "Distribution Group Management", "Application Group Management", "Other Account Management Events"}},
	{"DS Access", []string{"Directory Service Access", "Directory Service Changes", "Directory Service Replication", "Detailed Directory Service Replication"}},
	{"Account Logon", []string{"Credential Validation", "Kerberos Service Ticket Operations", "Other Account Logon Events", "Kerberos Authentication Service"}},
}

// audited is one line of the policy: 0 none, 1 success, 2 failure, 3 both.
type audited struct {
	category, sub string
	value         uint32
	offset        int64 // in the value
}

var auditWords = []string{"no auditing", "success", "failure", "success and failure"}

// parseAudit reads PolAdtEv. From Vista on it has a header (number of
// categories at 4, place of the counts at 8), a word for each subcategory, and
// the counts; before, one number for each category behind a switch.
func parseAudit(b []byte) (out []audited, err error) {
	le := binary.LittleEndian
	if len(b) == 44 && le.Uint32(b[40:]) == 9 {
		names := []string{"System", "Logon/Logoff", "Object Access", "Privilege Use", "Detailed Tracking", "Policy Change", "Account Management", "DS Access", "Account Logon"}
		for i, name := range names {
			v := le.Uint32(b[4+4*i:])
			if le.Uint32(b) == 0 {
				v = 0 // auditing as a whole is off
			}
			out = append(out, audited{name, "", v & 3, int64(4 + 4*i)})
		}
		return out, nil
	}
	if len(b) < 12 {
		return nil, fmt.Errorf("audit policy of %d bytes", len(b))
	}
	n, counts := int64(le.Uint32(b[4:])), int64(le.Uint32(b[8:]))
	if n == 0 || n > 64 || counts < 12 || counts+2*n > int64(len(b)) {
		return nil, fmt.Errorf("audit policy of an unknown layout: %d categories, counts at %d of %d bytes", n, counts, len(b))
	}
	at := int64(12)
	for i := range n {
		name, subs := fmt.Sprintf("category %d", i), []string(nil)
		if int(i) < len(categories) {
			name, subs = categories[i].name, categories[i].subs
		}
		for j := range int64(le.Uint16(b[counts+2*i:])) {
			if at+2 > counts {
				return out, errors.New("audit policy: more subcategories counted than there are")
			}
			sub := fmt.Sprintf("subcategory %d", j)
			if int(j) < len(subs) {
				sub = subs[j]
			}
			out = append(out, audited{name, sub, uint32(le.Uint16(b[at:])), at})
			at += 2
		}
	}
	return out, nil
}

// audit gives a fact for each subcategory, and coverage of what the Security
// log could have held.
func (s *settings) audit() {
	for k := range s.h.Find(s.in, `Policy\PolAdtEv`) {
		v, err := k.Value("")
		if err != nil {
			continue
		}
		b, err := v.Data()
		if err != nil {
			s.in.Problem(problem.Malformed, problem.Lost, err)
		}
		lines, err := parseAudit(b)
		if err != nil {
			s.in.Problem(problem.Malformed, problem.Lost, err)
			s.in.Counts.Declared++
			s.in.Counts.Failed++
		}
		for _, l := range lines {
			word := fmt.Sprint(l.value)
			if int(l.value) < len(auditWords) {
				word = auditWords[l.value]
			}
			name := "audit: " + l.category
			if l.sub != "" {
				name += ", " + l.sub
			}
			s.put(s.fact(k, name, v.Place(l.offset), fmt.Sprint(l.value), word, "logon/evtx"))
			if l.sub != "Process Creation" && l.sub != "Logon" && !(l.sub == "" && (l.category == "Detailed Tracking" || l.category == "Logon/Logoff")) {
				continue
			}
			if l.value&1 == 1 {
				continue
			}
			s.in.Cover(coverage.Fact{
				Artifact: "logon/evtx", History: coverage.Off, State: coverage.Read, From: event.Ticks(k.LastWritten), At: s.h.At(s.in, v.Place(l.offset), k.Path()),
				How: fmt.Sprintf("audit policy, %s: %s; key written %s", name[7:], word, event.Ticks(k.LastWritten)),
			})
		}
	}
}
