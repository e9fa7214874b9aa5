package eventlog

import (
	"strings"

	"kanshiki/parsers/evtx"
)

// schema is the form of the values of an event.
type schema struct {
	provider string
	id       uint16
	version  uint8
	count    int
}

// learned are the names of values by the form of the event, from the live
// records of the same log. A record of slack whose template was overwritten
// has its values in the same order.
type learned map[schema][]string

// maxLearned bounds the forms that are kept of one log.
const maxLearned = 4096

// names gives the names of the values of a record without any, or nil. Of
// other records it learns.
func (l learned) names(r *evtx.Record) []string {
	k := schema{r.System.Provider, r.System.EventID, r.System.Version, len(r.Data)}
	if r.Nameless {
		for i := range r.Data {
			if r.Data[i].Name != "" {
				return nil
			}
		}
		if n, ok := l[k]; ok {
			return n
		}
		return manifest[k]
	}
	if r.Origin != evtx.Live || r.Torn || len(r.Data) == 0 || len(l) >= maxLearned {
		return nil
	}
	if _, ok := l[k]; ok {
		return nil
	}
	names := make([]string, 0, len(r.Data))
	for i := range r.Data {
		if n := r.Data[i].Name; n == "" {
			return nil
		}
		names = append(names, r.Data[i].Name)
	}
	l[k] = names
	return nil
}

// manifest has the names of the events that matter most when a log was
// cleared, as they stand in the manifest of their provider.
var manifest = func() map[schema][]string {
	m := map[schema][]string{}
	const who = "SubjectUserSid SubjectUserName SubjectDomainName SubjectLogonId "
	const whom = "TargetUserName TargetDomainName TargetSid " + who
	const logon = who + "TargetUserSid TargetUserName TargetDomainName TargetLogonId LogonType LogonProcessName AuthenticationPackageName WorkstationName LogonGuid TransmittedServices LmPackageName KeyLength ProcessId ProcessName IpAddress IpPort"
	for _, x := range []struct {
		provider string
		id       uint16
		version  uint8
		names    string
	}{
		{auditing, 4624, 0, logon},
		{auditing, 4624, 1, logon + " ImpersonationLevel"},
		{auditing, 4624, 2, logon + " ImpersonationLevel RestrictedAdminMode TargetOutboundUserName TargetOutboundDomainName VirtualAccount TargetLinkedLogonId ElevatedToken"},
		{auditing, 4625, 0, who + "TargetUserSid TargetUserName TargetDomainName Status FailureReason SubStatus LogonType LogonProcessName AuthenticationPackageName WorkstationName TransmittedServices LmPackageName KeyLength ProcessId ProcessName IpAddress IpPort"},
		{auditing, 4634, 0, "TargetUserSid TargetUserName TargetDomainName TargetLogonId LogonType"},
		{auditing, 4647, 0, "TargetUserSid TargetUserName TargetDomainName TargetLogonId"},
		{auditing, 4648, 0, who + "LogonGuid TargetUserName TargetDomainName TargetLogonGuid TargetServerName TargetInfo ProcessId ProcessName IpAddress IpPort"},
		{auditing, 4663, 1, who + "ObjectServer ObjectType ObjectName HandleId AccessList AccessMask ProcessId ProcessName ResourceAttributes"},
		{auditing, 4672, 0, who + "PrivilegeList"},
		{auditing, 4688, 0, who + "NewProcessId NewProcessName TokenElevationType ProcessId"},
		{auditing, 4688, 1, who + "NewProcessId NewProcessName TokenElevationType ProcessId CommandLine"},
		{auditing, 4688, 2, who + "NewProcessId NewProcessName TokenElevationType ProcessId CommandLine TargetUserSid TargetUserName TargetDomainName TargetLogonId ParentProcessName MandatoryLabel"},
		{auditing, 4689, 0, who + "Status ProcessId ProcessName"},
		{auditing, 4697, 0, who + "ServiceName ServiceFileName ServiceType ServiceStartType ServiceAccount"},
		{auditing, 4698, 0, who + "TaskName TaskContent"},
		{auditing, 4699, 0, who + "TaskName TaskContent"},
		{auditing, 4702, 0, who + "TaskName TaskContentNew"},
		{auditing, 4719, 0, who + "CategoryId SubcategoryId SubcategoryGuid AuditPolicyChanges"},
		{auditing, 4722, 0, whom[:len(whom)-1]},
		{auditing, 4724, 0, whom[:len(whom)-1]},
		{auditing, 4726, 0, whom + "PrivilegeList"},
		{auditing, 4728, 0, "MemberName MemberSid " + whom + "PrivilegeList"},
		{auditing, 4732, 0, "MemberName MemberSid " + whom + "PrivilegeList"},
		{auditing, 4733, 0, "MemberName MemberSid " + whom + "PrivilegeList"},
		{auditing, 4769, 0, "TargetUserName TargetDomainName ServiceName ServiceSid TicketOptions TicketEncryptionType IpAddress IpPort Status LogonGuid TransmittedServices"},
		{auditing, 4776, 0, "PackageName TargetUserName Workstation Status"},
		{auditing, 5140, 1, who + "ObjectType IpAddress IpPort ShareName ShareLocalPath AccessMask AccessList"},
		{auditing, 5145, 0, who + "ObjectType IpAddress IpPort ShareName ShareLocalPath RelativeTargetName AccessMask AccessList AccessReason"},
		{auditing, 5156, 0, "ProcessID Application Direction SourceAddress SourcePort DestAddress DestPort Protocol FilterRTID LayerName LayerRTID"},
		{auditing, 5156, 1, "ProcessID Application Direction SourceAddress SourcePort DestAddress DestPort Protocol FilterRTID LayerName LayerRTID RemoteUserID RemoteMachineID"},
		{scm, 7036, 0, "param1 param2 Binary"},
		{scm, 7045, 0, "ServiceName ImagePath ServiceType StartType AccountName"},
	} {
		names := strings.Fields(x.names)
		m[schema{x.provider, x.id, x.version, len(names)}] = names
	}
	return m
}()
