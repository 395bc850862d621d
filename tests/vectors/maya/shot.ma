//Maya ASCII 2025 scene
//Name: shot.ma
//Last modified: Tue, Mar 04, 2025 10:11:12 AM
//Codeset: UTF-8
file -rdi 1 -ns "set" -rfn "setRN" -op "v=0;" -typ "mayaAscii" "@PROJECT@//scenes/set.ma";
file -rdi 2 -ns "props" -rfn "set:propsRN" -typ "mayaAscii" "@PROJECT@//scenes/props.ma{1}";
file -r -ns "set" -dr 1 -rfn "setRN" -op "v=0;" -typ "mayaAscii" "@PROJECT@//scenes/set.ma";
requires maya "2025";
requires -nodeType "aiOptions" "mtoa" "5.4.5";
currentUnit -l centimeter -a degree -t film;
fileInfo "application" "maya";
createNode transform -n "shotCam";
createNode camera -n "shotCamShape" -p "shotCam";
	setAttr -k off ".v";
	setAttr ".rnd" yes;
createNode camera -n "closeCamShape" -p "closeCam";
	setAttr ".rnd" yes;
createNode imagePlane -n "plateShape";
	setAttr ".ufe" yes;
	setAttr ".imn" -type "string" "@PROJECT@//sourceimages/plate/plate.0001.jpg";
createNode renderLayer -n "beauty";
	setAttr ".g" yes;
createNode renderLayer -n "shadow";
createNode file -n "wood";
	setAttr ".ftn" -type "string" "sourceimages/wood.png";
	setAttr ".cs" -type "string" "sRGB";
createNode file -n "skin";
	setAttr ".ftn" -type "string" "@PROJECT@//sourceimages/skin.1001.png";
	setAttr ".uvt" 3;
createNode file -n "fire";
	setAttr ".ufe" yes;
	setAttr ".ftn" -type "string" "@ELSEWHERE@/fire.<f>.exr";
createNode file -n "lost";
	setAttr ".ftn" -type "string" "@PROJECT@/sourceimages/lost.png";
createNode cacheFile -n "cloth";
	setAttr ".cn" -type "string" "clothShape";
	setAttr ".cp" -type "string" "@PROJECT@/cache/nCache/shot/";
createNode AlembicNode -n "crowd";
	setAttr ".fn" -type "string" "@ELSEWHERE@/crowd \"A\".abc";
createNode mesh -n "tableShape";
	setAttr -s 4 ".vt[0:3]"  -0.5 0 0.5 0.5 0 0.5 -0.5 0 -0.5 0.5 0 -0.5;
createNode script -n "uiConfigurationScriptNode";
	setAttr ".b" -type "string" "// Maya Mel UI Configuration File.\n";
select -ne :defaultRenderGlobals;
	setAttr ".ifp" -type "string" "<Scene>/<RenderLayer>/<Camera>/shot";
	setAttr ".an" yes;
select -ne :defaultResolution;
	setAttr ".w" 64;
	setAttr ".h" 36;
// End of shot.ma
