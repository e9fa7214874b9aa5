// Package all holds the one list of artifacts. Its order is that of reports:
// what ran, what stays, who came, what was opened, what left.
package all

import (
	"kanshiki/forensics/artifact"
	"kanshiki/forensics/artifact/browser"
	"kanshiki/forensics/artifact/deletion"
	"kanshiki/forensics/artifact/device"
	"kanshiki/forensics/artifact/document"
	"kanshiki/forensics/artifact/eventlog"
	"kanshiki/forensics/artifact/execution"
	"kanshiki/forensics/artifact/filesystem"
	"kanshiki/forensics/artifact/logon"
	"kanshiki/forensics/artifact/mail"
	"kanshiki/forensics/artifact/memory"
	"kanshiki/forensics/artifact/network"
	"kanshiki/forensics/artifact/persistence"
	"kanshiki/forensics/artifact/registry"
)

// Specs lists the artifacts that are read from files.
func Specs() []artifact.Spec {
	return []artifact.Spec{
		execution.Prefetch,
		execution.UserAssist,
		execution.BAM,
		execution.ShimCache,
		execution.Amcache,
		execution.RecentFileCache,
		execution.Defender,
		execution.AVLog,
		execution.MUICache,
		execution.PowerShellHistory,
		execution.PowerShellTranscript,
		execution.WER,
		persistence.Autostart,
		persistence.Services,
		persistence.Task,
		persistence.TaskCache,
		persistence.Startup,
		persistence.SchedLgU,
		logon.Profiles,
		logon.Accounts,
		eventlog.EVTX,
		eventlog.EVT,
		document.Lnk,
		document.Jumplist,
		document.Shellbags,
		document.RecentDocs,
		document.OpenSave,
		document.LastVisited,
		document.TypedPaths,
		document.WordWheel,
		document.RunMRU,
		document.OfficeMRU,
		document.TrustRecords,
		document.NetworkDrives,
		document.Archivers,
		document.TypedURLs,
		mail.MSG,
		mail.EML,
		mail.Mailbox,
		browser.Chrome,
		browser.Firefox,
		browser.IE,
		browser.WebCache,
		browser.Cookies,
		browser.Forms,
		filesystem.ZoneIdentifier,
		deletion.RecycleBin,
		device.USB,
		device.SetupAPI,
		device.Mounted,
		device.MountPoints,
		device.EMDMgmt,
		network.SRUMApps,
		network.Proxy,
		network.Firewall,
		network.Hosts,
		network.Interfaces,
		network.NetworkList,
		network.Clients,
		network.Remote,
		network.SRUM,
		memory.Hibernation,
		memory.Paging,
		memory.Swap,
		memory.Dump,
		registry.Settings,
		registry.Keys,
	}
}

// VolumeSpecs lists the artifacts that are read from a file system as a whole.
// The first one walks the entries; the table of files is written beside it.
func VolumeSpecs() []artifact.VolumeSpec {
	return []artifact.VolumeSpec{
		filesystem.MFT,
		filesystem.USN,
		execution.PrefetchFolder,
	}
}

// Card finds what an artifact's events prove and what not.
func Card(name string) (title string, card artifact.Card, ok bool) {
	for _, s := range Specs() {
		if s.Name == name {
			return s.Title, s.Card, true
		}
	}
	for _, s := range VolumeSpecs() {
		if s.Name == name {
			return s.Title, s.Card, true
		}
	}
	return "", artifact.Card{}, false
}

// Families says which writer each artifact's records are from.
func Families() map[string]artifact.Family {
	m := map[string]artifact.Family{}
	for _, s := range Specs() {
		m[s.Name] = s.Family
	}
	for _, s := range VolumeSpecs() {
		m[s.Name] = s.Family
	}
	return m
}
