// Opening: one panel at a time; the former one's timer ends by itself.

PF.open = function () {
    var panel, former = $.global.peerfarmPanel;
    if (former) { former.close(); }
    panel = new PF.Board();
    panel.build(root);
    $.global.peerfarmPanel = panel;
    if (panel.window instanceof Window) {
        panel.window.center();
        panel.window.show();
    } else {
        panel.window.layout.layout(true);
    }
    panel.tick();
};

$.global.peerfarm = PF;
PF.open();

}(this));
