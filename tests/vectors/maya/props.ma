//Maya ASCII 2025 scene
//Codeset: 1252
requires maya "2025";
createNode file -n "cup";
	setAttr ".ftn" -type "string" "@PROJECT@/sourceimages/cup.tif";
createNode unknownNode -n "odd";
	setAttr ".path" -type "string" "@PROJECT@/assets/odd.vdb";
// End of props.ma
