//Maya ASCII 2025 scene
//Codeset: UTF-8
file -rdi 1 -ns "props" -rfn "propsRN" -typ "mayaAscii" "props.ma";
requires maya "2025";
createNode aiStandIn -n "treeShape";
	setAttr ".dso" -type "string" "@PROJECT@/assets/tree.####.ass";
// End of set.ma
