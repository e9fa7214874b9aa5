package event

// Action is what happened, in the closed vocabulary of the timeline.
type Action string

// The actions, each with what it says.
const (
	Created            Action = "created"             // a file, key or object came into being
	Written            Action = "written"             // its content changed
	Renamed            Action = "renamed"             // it got another name
	Moved              Action = "moved"               // it got another place
	Deleted            Action = "deleted"             // it was removed
	MetadataChanged    Action = "metadata-changed"    // times, attributes, security or links changed
	ReadOrOpened       Action = "read-or-opened"      // it was opened or read; not: by a person
	Executed           Action = "executed"            // a program of this path was started
	Loaded             Action = "loaded"              // a module was mapped into a process
	Installed          Action = "installed"           // a service, driver or package was set up
	Persisted          Action = "persisted"           // a start place names this program
	PersistenceRemoved Action = "persistence-removed" // a start place was taken away
	LoggedOn           Action = "logged-on"           // an account got a session
	LoggedOff          Action = "logged-off"          // a session ended
	LogonFailed        Action = "logon-failed"        // an account did not get a session
	PrivilegeUsed      Action = "privilege-used"      // a right beyond the ordinary was given or used
	MailReceived       Action = "mail-received"       // a message came
	MailSent           Action = "mail-sent"           // a message was sent
	Downloaded         Action = "downloaded"          // bytes came from another host into a file
	Uploaded           Action = "uploaded"            // bytes went to another host
	Connected          Action = "connected"           // a connection to or from another host
	Listened           Action = "listened"            // a port was opened for others
	NameResolved       Action = "name-resolved"       // a host's name was asked for
	DeviceAttached     Action = "device-attached"     // a device was connected
	DeviceRemoved      Action = "device-removed"      // a device was taken away
	ShareAccessed      Action = "share-accessed"      // a network share was used
	JobQueued          Action = "job-queued"          // a task or transfer was registered
	Transferred        Action = "transferred"         // bytes of a job moved; direction in the fields
	Cleared            Action = "cleared"             // a log or history was emptied
	TimeChanged        Action = "time-changed"        // a clock was set
	Started            Action = "started"             // a service, system or engine began
	Stopped            Action = "stopped"             // a service, system or engine ended
	Detected           Action = "detected"            // the machine's own protection named something
	Configured         Action = "configured"          // a setting was made or stands so
	Other              Action = "other"               // a record kept as it is
)

// Actions lists the vocabulary, in the order above.
func Actions() []Action {
	return []Action{
		Created, Written, Renamed, Moved, Deleted, MetadataChanged, ReadOrOpened, Executed, Loaded, Installed, Persisted, PersistenceRemoved,
		LoggedOn, LoggedOff, LogonFailed, PrivilegeUsed, MailReceived, MailSent, Downloaded, Uploaded, Connected, Listened, NameResolved,
		DeviceAttached, DeviceRemoved, ShareAccessed, JobQueued, Transferred, Cleared, TimeChanged, Started, Stopped, Detected, Configured, Other,
	}
}
