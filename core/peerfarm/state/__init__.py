"""How a farm changes: actions, joins, the log's positions, questions to the state, snapshots."""
